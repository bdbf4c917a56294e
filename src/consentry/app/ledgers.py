"""Opens the ledger that the settings name, with everything that goes with its kind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import grpc

from consentry.app.ledger.place import NO_POSTGRES
from consentry.app.settings import LedgerSettings, Settings
from consentry.app.state_folder import LEDGER_FILE, LEDGER_FOLDER
from consentry.app.system import ProcessIds, SystemClock, steady_us
from consentry.consent.chain import Row
from consentry.consent.errors import LedgerCorruptError, LedgerUnavailableError
from consentry.consent.feed import FeedTimes
from consentry.consent.local_feed import LocalFeed
from consentry.consent.shared import SharedLedger
from consentry.consent.source import Source
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.sqlite_follower import SqliteFollower
from consentry.consent.verifier import Verifier
from consentry.model.values import MICROS_PER_SECOND
from consentry.server.at_least import WaitFor
from consentry.server.consent_feed import ConsentFeedMethods
from consentry.server.ledger_service import LedgerMethods
from consentry.server.upstream import UpstreamSource
from consentry.telemetry.metrics import Metrics

if TYPE_CHECKING:  # an extra: not there for everybody
    from consentry.consent.postgres import PostgresSource

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLedger:
    """A ledger, and what the doors do with it because of its kind.

    `is_usable` says whether the state of consent may be used now (None: whether it can be read);
    `start` begins what runs beside it. `find_ledger_id` gives the ledger's identity where it is
    kept here, and None of it where others keep it.
    """

    ledger: SqliteLedger | SharedLedger | SqliteFollower
    start: Callable[[], None]
    keeping: tuple[LedgerMethods, ...] = ()
    feeding: ConsentFeedMethods | None = None
    wait_for: WaitFor | None = None
    is_usable: Callable[[], bool] | None = None
    find_ledger_id: Callable[[], str] | None = None


class OpenLedgerOf(Protocol):
    """Opens the ledger of some sidecar; see `open_ledger`."""

    def __call__(
        self,
        settings: Settings,
        opening: ExitStack,
        *,
        clock: SystemClock,
        ids: ProcessIds,
        metrics: Metrics,
    ) -> OpenLedger:
        """The ledger; `opening` gives it back."""
        ...


def open_ledger(
    settings: Settings, opening: ExitStack, *, clock: SystemClock, ids: ProcessIds, metrics: Metrics
) -> OpenLedger:
    """The ledger; `opening` gives it back.

    Raises:
        LedgerError: it cannot be opened, or does not keep our conditions.
        OSError, ValueError: a file that the settings name cannot be read, or an extra is missing.
    """
    ours = settings.ledger
    if ours.kind == "sqlite":
        return _open_sqlite(settings, opening, clock=clock, ids=ids, metrics=metrics)
    times = FeedTimes.within(int(ours.bound_s * MICROS_PER_SECOND))
    if ours.kind == "upstream":
        source: Source = UpstreamSource(
            ours.upstream,
            heartbeat_us=times.heartbeat_us,
            read_us=steady_us,
            read_credentials=credentials_reader(ours),
        )
        return _share(ours, source, times, opening, clock=clock, metrics=metrics)
    return _open_postgres(ours, times, opening, clock=clock, ids=ids, metrics=metrics)


def _open_sqlite(
    settings: Settings, opening: ExitStack, *, clock: SystemClock, ids: ProcessIds, metrics: Metrics
) -> OpenLedger:
    ledger = SqliteLedger(
        settings.state.path / LEDGER_FOLDER / LEDGER_FILE,
        clock=clock,
        ids=ids,
        anchor=settings.state.anchor_path,
        reserve_bytes=settings.state.reserve_bytes,
    )
    opening.callback(ledger.close)
    clock.start_from(ledger.newest_us())
    verifier = Verifier(ledger, clock)
    opening.callback(verifier.close)
    watch_verifier(metrics, verifier)
    metrics.watch_gauge("ledger_space_short", lambda: ledger.is_space_short)
    is_node = settings.ledger.serves_feed
    return OpenLedger(
        ledger=ledger,
        start=verifier.start,
        keeping=(LedgerMethods(ledger=ledger, eraser=ledger, verifier=verifier),),
        feeding=ConsentFeedMethods(LocalFeed(ledger), steady_us) if is_node else None,
        find_ledger_id=lambda: ledger.ledger_id,
    )


def _open_postgres(
    settings: LedgerSettings,
    times: FeedTimes,
    opening: ExitStack,
    *,
    clock: SystemClock,
    ids: ProcessIds,
    metrics: Metrics,
) -> OpenLedger:
    try:
        from consentry.consent.postgres import PostgresSource  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as problem:
        raise ValueError(NO_POSTGRES) from problem
    source = PostgresSource(
        settings.conninfo.get_secret_value(),
        clock=clock,
        ids=ids,
        read_us=steady_us,
        heartbeat_us=times.heartbeat_us,
    )
    opening.callback(source.close)
    try:
        clock.start_from(source.check())
    except LedgerUnavailableError as problem:
        # It denies what needs consent until the server is there; nothing needs a restart then.
        log.error("ledger_not_there_yet", extra={"why": str(problem)})  # noqa: TRY400 (no trace)
    opened = _share(settings, source, times, opening, clock=clock, metrics=metrics)
    ledger = opened.ledger
    assert isinstance(ledger, SharedLedger)
    verifier = Verifier(_PostgresChain(source, ledger), clock)
    opening.callback(verifier.close)
    watch_verifier(metrics, verifier)

    def start() -> None:
        opened.start()
        # Every sidecar walking the whole ledger would be a load of its own: the nodes do it.
        verifier.start(is_wanted=settings.serves_feed)

    return OpenLedger(
        ledger=ledger,
        start=start,
        keeping=(LedgerMethods(ledger=ledger, eraser=ledger, verifier=verifier),),
        feeding=opened.feeding,
        wait_for=opened.wait_for,
        is_usable=opened.is_usable,
        find_ledger_id=lambda: source.ledger_id,
    )


def _share(
    settings: LedgerSettings,
    source: Source,
    times: FeedTimes,
    opening: ExitStack,
    *,
    clock: SystemClock,
    metrics: Metrics,
) -> OpenLedger:
    ledger = SharedLedger(
        source,
        clock=clock,
        read_us=steady_us,
        times=times,
        read_wait_s=settings.read_wait_s,
    )
    opening.callback(ledger.close)
    metrics.watch_gauge("feed_connected", ledger.is_connected)
    metrics.watch_gauge("feed_lag_seconds", lambda: ledger.lag_us() / MICROS_PER_SECOND)

    def start() -> None:
        ledger.start()
        # A moment for the first proof, so that the first checks after "ready" find it.
        ledger.wait_until_fresh(settings.bound_s)

    return OpenLedger(
        ledger=ledger,
        start=start,
        feeding=ConsentFeedMethods(ledger, steady_us) if settings.serves_feed else None,
        wait_for=ledger.wait_for,
        is_usable=ledger.is_fresh,
    )


class _PostgresChain:
    """What a verifier walks."""

    def __init__(self, source: PostgresSource, ledger: SharedLedger) -> None:
        self._source: Final = source
        self._ledger: Final = ledger

    @property
    def ledger_id(self) -> str:
        return self._source.ledger_id

    def read_rows(self, after_position: int, limit: int) -> tuple[Row, ...]:
        return self._source.read_rows(after_position, limit)

    def check_store(self) -> None:
        """PostgreSQL checks its own pages (data checksums)."""

    def mark_damaged(self, problem: LedgerCorruptError) -> None:
        self._ledger.mark_damaged(problem)


def watch_verifier(metrics: Metrics, verifier: Verifier) -> None:
    """Shows at each scrape how far the chain is known to hold."""
    metrics.watch_gauge("ledger_verified_position", lambda: verifier.progress.position)
    metrics.watch_gauge("ledger_damaged", lambda: verifier.progress.fault is not None)


def credentials_reader(
    settings: LedgerSettings,
) -> Callable[[], grpc.ChannelCredentials] | None:
    """Reads what a connection to a node is secured with and shows; None: nothing.

    It is read anew for each connection: certificates and tokens are renewed while we run.

    Raises:
        OSError: a file cannot be read now.
    """
    authorities = settings.upstream_ca
    if authorities is None:
        return None
    key, certificate, token = (
        settings.upstream_key,
        settings.upstream_certificate,
        settings.upstream_token,
    )

    def read() -> grpc.ChannelCredentials:
        made = grpc.ssl_channel_credentials(
            root_certificates=authorities.read_bytes(),
            private_key=None if key is None else key.read_bytes(),
            certificate_chain=None if certificate is None else certificate.read_bytes(),
        )
        if token is None:
            return made
        from consentry.client.transport import bearer_credentials  # noqa: PLC0415 (seldom needed)

        return grpc.composite_channel_credentials(
            made, bearer_credentials(lambda: token.read_text().strip())
        )

    read()
    if token is not None:
        token.read_text()
    return read
