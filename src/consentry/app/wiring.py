"""Constructs a sidecar from its settings: the only place where the rooms meet.

Order of construction is order of need; `stop` takes it down in the opposite order, so that the
doors close before what stands behind them, and the decision log is written out last.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from consentry.app.audit.opening import open_audit, tell_unknown_reasons
from consentry.app.callers import listens_of, open_callers, open_certificates
from consentry.app.descriptors import connection_room
from consentry.app.ledgers import OpenLedgerOf, open_ledger
from consentry.app.pages import PageParts, pages_of
from consentry.app.policy_source import policy_source
from consentry.app.receipts import receipt_services
from consentry.app.settings import Settings
from consentry.app.state_folder import ARCHIVE_FOLDER, AUDIT_FOLDER, LEDGER_FOLDER
from consentry.app.system import ProcessIds, SystemClock
from consentry.app.tracing import open_tracer
from consentry.model.program import Program
from consentry.pdp.archive import PolicyArchive
from consentry.pdp.cache import AnswerCache
from consentry.pdp.decision_point import CacheMode, DecisionPoint, Trace
from consentry.pdp.errors import UnknownPolicySetError
from consentry.pdp.lasting_compiler import LastingCompiler
from consentry.pdp.pace import Pace
from consentry.pdp.past_policies import PastPolicies
from consentry.pdp.policy_store import LoadResult, PolicyStore
from consentry.pdp.snapshot import Snapshot
from consentry.pdp.sources import read_packs
from consentry.pdp.succession import Succession
from consentry.pdp.translations import read_pack_translations
from consentry.pdp.watcher import PolicyWatcher
from consentry.server.codec import ProtoCodec
from consentry.server.explain_service import ExplainMethods
from consentry.server.handles import Handles, new_handles
from consentry.server.http_calls import HttpService
from consentry.server.options import BoundAddresses, Listen, ServerOptions
from consentry.server.plan_service import PlanMethods
from consentry.server.sidecar import Service, Sidecar
from consentry.server.statement_service import StatementMethods
from consentry.server.statements import Statements, Texts
from consentry.telemetry.durable import sync_folder
from consentry.telemetry.metrics import Metrics

STRICT_THREADS: Final = 32
"""Threads for checks, at least, where answers wait for the decision log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPart:
    """What makes a sidecar one of several workers.

    `reload` has all workers read the policies again; `open_ledger` gives the ledger as a worker
    has it, None where each opens its own.
    """

    number: int
    handles: Handles
    listen: tuple[Listen, ...]
    reload: Callable[[], LoadResult]
    open_ledger: OpenLedgerOf | None = None


class _WorkersPolicies:
    """The policies of one worker, which reload with those of all others."""

    def __init__(self, store: PolicyStore, reload_all: Callable[[], LoadResult]) -> None:
        self._store: Final = store
        self.reload: Final = reload_all
        self.is_fresh: Final = store.is_fresh
        self.on_change: Final = store.on_change
        self.validate: Final = store.validate

    @property
    def current(self) -> Snapshot | None:
        return self._store.current


class Application:
    """One sidecar, whole. Used by the main thread, but for `reload`, which any thread may call."""

    def __init__(self, settings: Settings, part: WorkerPart | None = None) -> None:
        """Opens the state and loads nothing yet; with a `part` as a worker.

        Raises:
            OSError: the state folder cannot be made or read.
            LedgerError: the ledger cannot be opened.
            ValueError: policies are to come from a URL that may not be used.
        """
        self.settings: Final = settings
        self._part: Final = part
        self._stack: Final = ExitStack()
        # Of all that is done for a reload, under the store's load lock.
        self._pace: Final = Pace()
        with ExitStack() as opening:
            self._build(opening)
            self._stack.push(opening.pop_all())

    def _build(self, opening: ExitStack) -> None:
        settings, part = self.settings, self._part
        clock, ids = SystemClock(), ProcessIds()
        told_version = version("consentry")
        handles = new_handles() if part is None else part.handles
        state = settings.state.path
        make_state_folders(state)
        # Workers' series are put together: each has its share of what may be.
        most = settings.metrics.max_series // settings.server.workers
        self.metrics = Metrics(version=told_version, max_series=most)
        self.audit = open_audit(
            settings, self.metrics, clock, None if part is None else part.number
        )
        if self.audit is not None:
            opening.callback(self.audit.close)
        opened = self._opened = ((part and part.open_ledger) or open_ledger)(
            settings, opening, clock=clock, ids=ids, metrics=self.metrics
        )
        self.ledger = opened.ledger
        archive = PolicyArchive(state / ARCHIVE_FOLDER, step=self._pace.step)
        self._open_policies(clock, archive, opening)
        tracer = open_tracer(settings.otel, opening)
        self.point = self._open_point(handles, clock, ids, None if tracer is None else tracer.note)
        self.callers = open_callers(settings, clock, opening)
        past = PastPolicies(archive)
        statements = self._open_statements(clock, past)
        options = server_options(settings, told_version, part)
        self.statements = statements
        explaining = ExplainMethods(policies=self.store, past=past, ledger=self.ledger, clock=clock)
        parts = PageParts(
            opening, opened, self.store, statements, clock, self.metrics, explaining, self.callers
        )
        self.sidecar = Sidecar(
            decider=self.point,
            ledger=self.ledger,
            policies=self.store if part is None else _WorkersPolicies(self.store, part.reload),
            metrics=self.metrics,
            clock=clock,
            options=options,
            is_ledger_usable=opened.is_usable,
            following=(
                *([opened.feeding] if opened.feeding is not None else []),
                PlanMethods(policies=self.store, ledger=self.ledger, clock=clock),
            ),
            wait_for=opened.wait_for,
            asking=self._envoy_services(),
            can_record=self._can_record,
            tracer=tracer,
            further=(
                *opened.keeping,
                *receipt_services(settings, opened, self.store, clock),
                explaining,
                StatementMethods(statements, past),
            ),
            pages=pages_of(settings, parts),
            http_services=self._http_services(options, clock),
            handles=handles,
            callers=self.callers,
            certificates=open_certificates(settings, clock, self.metrics if part is None else None),
        )

    def _open_point(
        self, handles: Handles, clock: SystemClock, ids: ProcessIds, trace: Trace | None
    ) -> DecisionPoint:
        cache = self.settings.cache
        return DecisionPoint(
            policies=self.store,
            ledger=self.ledger,
            codec=ProtoCodec(handles),
            clock=clock,
            ids=ids,
            metrics=self.metrics,
            audit=self.audit,
            cache=AnswerCache(
                max_entries=cache.max_entries, max_bytes=cache.max_bytes, step=self._pace.step
            ),
            cache_mode=CacheMode(cache.mode),
            max_age_s=cache.max_age_s,
            trace=trace,
        )

    def _envoy_services(self) -> tuple[Service, ...]:
        if not self.settings.envoy.is_enabled:
            return ()
        from consentry.app.envoy import envoy_services  # noqa: PLC0415 (off by default)

        return envoy_services(self.settings.envoy, self.point, self.metrics)

    def _http_services(self, options: ServerOptions, clock: SystemClock) -> tuple[HttpService, ...]:
        settings, store = self.settings, self.store
        wanted = settings.recording
        if not (settings.authzen.is_enabled or wanted.is_import_enabled or wanted.webhooks):
            return ()
        from consentry.app.http_services import (  # noqa: PLC0415 (off by default)
            decision_services,
            recording_services,
        )

        recording = recording_services(settings, self.ledger, store, clock, self.metrics)
        return (*decision_services(settings, options, self.point, store), *recording)

    def _open_statements(self, clock: SystemClock, past: PastPolicies) -> Statements:
        succession = Succession(self.settings.state.path / ARCHIVE_FOLDER)

        def find_before(digest: str) -> Program | None:
            before = succession.before(digest)
            try:
                return None if before is None else past.get(before).program
            except UnknownPolicySetError:
                return None

        packs = [each for found in read_pack_translations().values() for each in found]
        texts = Texts(
            packs=self.store.packs,
            translations=self.source.translations,
            pack_translations=tuple(packs),
        )
        statements = Statements(
            policies=self.store,
            texts=texts,
            clock=clock,
            find_before=find_before,
            let_go=self._pace.let_go,
        )
        self.store.on_change(statements.note_change)
        self.store.on_change(lambda active: succession.note(active.digest, clock.now_us()))
        return statements

    def _open_policies(
        self, clock: SystemClock, archive: PolicyArchive, opening: ExitStack
    ) -> None:
        settings, packs = self.settings.policies, read_packs()
        compiler = LastingCompiler(step=self._pace.step)
        opening.callback(compiler.close)
        self.source = policy_source(self.settings, packs, self._pace.step)
        self.store = PolicyStore(
            read_sources=self.source.read,
            packs=packs,
            clock=clock,
            metrics=self.metrics,
            archive=archive,
            max_age_s=settings.max_age_s,
            admit=self.source.admit,
            compile_here=compiler.compile_first,
            compile_again=compiler.compile,
            pace=self._pace,
        )
        audit = self.settings.audit
        if audit.is_enabled:
            self.store.on_change(lambda active: tell_unknown_reasons(audit, active.program))
        is_remote = settings.url is not None
        self.watcher = PolicyWatcher(
            look=self.source.look,
            store=self.store,
            interval_s=settings.url_interval_s if is_remote else settings.watch_interval_s,
            settles=not is_remote,
        )

    def _can_record(self) -> bool:
        """Whether answers may be given: in buffered mode they always may."""
        audit = self.audit
        return audit is None or not (audit.is_strict and audit.is_failing)

    def load_first(self) -> LoadResult:
        """Loads the policies; a refused set leaves the sidecar without one, and not ready."""
        return self.store.load_first()

    def start(self) -> BoundAddresses:
        """Opens the doors, then follows the policy folder.

        Raises:
            AddressInUseError: a living server has one of the addresses.
            AddressError: one of them cannot be used.
        """
        if self.audit is not None:
            self.audit.start()
        self._opened.start()
        bound = self.sidecar.start()
        if self.settings.policies.is_watched:
            self.watcher.start()
            self._stack.callback(self.watcher.close)
        return bound

    def reload(self) -> LoadResult:
        """Reads the policies again now."""
        return self.store.reload()

    @property
    def ledger_position(self) -> int:
        """Position of the newest event that answers show."""
        return self.ledger.position()

    def stop(self) -> None:
        """Closes the doors at once, whatever is under way; a drain comes to its end."""
        self.sidecar.stop()

    def drain(self) -> None:
        """Leaves without failing a call; back when the doors are closed."""
        self.sidecar.drain()

    def close(self) -> None:
        """Closes what is left: doors at once, then watcher, ledger and decision log."""
        self.sidecar.stop()
        self._stack.close()


def make_state_folders(state: Path) -> None:
    """Makes the state folder and its parts, for this user only."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (LEDGER_FOLDER, AUDIT_FOLDER, ARCHIVE_FOLDER):
        (state / name).mkdir(exist_ok=True, mode=0o700)
    # A file is no more durable than the folders it stands in.
    for folder in (state, state.parent):
        sync_folder(folder)


def _check_threads(settings: Settings) -> int:
    # Calls that wait for the decision log's disk wait on their threads: the more of them wait, the
    # more share one wait. With four, a disk that takes 5 ms would bound everybody to 800 a second.
    is_strict = settings.audit.is_enabled and settings.audit.mode == "strict"
    return max(settings.server.check_threads, STRICT_THREADS if is_strict else 1)


def server_options(
    settings: Settings, told_version: str, part: WorkerPart | None = None
) -> ServerOptions:
    """The doors' plain values; health and HTTP of workers are their parent's.

    Raises:
        TooFewDescriptorsError: an OSError; the system gives too few file descriptors.
    """
    server, follows = settings.server, settings.ledger.readiness_follows
    listen = listens_of(settings) if part is None else part.listen
    return ServerOptions(
        listen=listen,
        health_listen=server.health if part is None else None,
        http_listen=server.http if part is None else None,
        shares_port=part is not None,
        insecure_off_loopback=server.insecure_off_loopback,
        is_http_personal=settings.preferences.is_enabled or settings.explain_page.is_enabled,
        socket_mode=server.socket_mode,
        max_batch_items=server.max_batch_items,
        check_threads=_check_threads(settings),
        check_limit=server.check_limit,
        wait_limit=server.wait_limit,
        stream_limit=server.stream_limit,
        slow_reader_s=server.slow_reader_s,
        connection_limit=connection_room(server.connection_limit, len(listen)),
        watch_bound_s=server.watch_bound_s,
        drain_delay_s=server.drain_delay_s,
        grace_s=server.grace_s,
        readiness_follows_ledger=(settings.ledger.kind == "sqlite" if follows is None else follows),
        version=told_version,
    )
