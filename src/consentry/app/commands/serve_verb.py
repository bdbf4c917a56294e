"""`consentry serve`: runs the sidecar until it is told to leave.

SIGTERM and SIGINT drain and leave with 0; a second one leaves at once. SIGHUP reads the policies
again. Standard output carries one line of JSON for each event of the sidecar's life.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from consentry.app.arrivals import Arrivals, arriving_signals
from consentry.app.descriptors import raise_descriptor_limit
from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.mounts import find_ephemeral_mount
from consentry.app.output import err
from consentry.app.serve_flags import add_flags, flags_of
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source

if TYPE_CHECKING:  # loaded late: `consentry serve --help` needs neither gRPC nor pydantic
    from consentry.app.settings import Settings
    from consentry.app.wiring import Application
    from consentry.app.workers.supervisor import Supervisor

log = logging.getLogger(__name__)

_EXAMPLES: Final = """\
examples:
  consentry serve --policies policies --state var/consentry
  consentry serve --listen unix:/run/consentry/consentry.sock --listen 127.0.0.1:7470
  consentry serve --policies https://example.org/shop.bundle --trusted-keys jwks.json
  CONSENTRY_CACHE__MAX_AGE_S=5 consentry serve --config consentry.toml

A flag beats the environment (CONSENTRY_<SECTION>__<KEY>), which beats the file.
The state folder holds ledger/ (keep it), audit/ (the decision log) and policies/ (every set that
was ever active).

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry serve",
        description="Run the sidecar in the foreground.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_flags(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Reads the settings, builds, serves, leaves."""
    # pydantic and gRPC are loaded here and not above: `--help` and the parser need neither.
    from consentry.app.settings_loading import SettingsError, load_settings  # noqa: PLC0415

    try:
        settings = load_settings(flags_of(options), options.config)
    except SettingsError as problem:
        for line in problem.problems:
            err().line(f"consentry serve: {line}")
        return ExitCode.USAGE
    mount = find_ephemeral_mount(settings.state.path)
    if (
        settings.ledger.kind == "sqlite"
        and mount is not None
        and not settings.state.allow_ephemeral_ledger
    ):
        err().line(
            f"consentry serve: the state folder {settings.state.path} is on {mount.kind}, which "
            "goes away with this container, and every consent with it; mount a volume there, or "
            "say --allow-ephemeral-ledger"
        )
        return ExitCode.USAGE
    return _serve(settings)


def _serve(settings: Settings) -> int:
    from consentry.app.wiring import Application  # noqa: PLC0415 - see `run`
    from consentry.app.workers.supervisor import Supervisor  # noqa: PLC0415 - see `run`
    from consentry.consent.errors import LedgerError  # noqa: PLC0415 - see `run`
    from consentry.server.addresses import AddressError, AddressInUseError  # noqa: PLC0415
    from consentry.telemetry.logs import configure_logging  # noqa: PLC0415 - see `run`

    configure_logging(settings.log.level, sys.stdout)
    raise_descriptor_limit()
    is_many = settings.server.workers > 1
    with arriving_signals() as arrived:
        try:
            application = Supervisor(settings) if is_many else Application(settings)
        except AddressInUseError as problem:
            err().line(f"consentry serve: {problem}")
            return ExitCode.ADDRESS_IN_USE
        except LedgerError as problem:
            err().line(f"consentry serve: the ledger cannot be opened: {problem}")
            return ExitCode.LEDGER
        except (AddressError, OSError, ValueError) as problem:
            err().line(f"consentry serve: {problem}")
            return ExitCode.USAGE
        try:
            return _live(application, arrived)
        except AddressInUseError as problem:
            err().line(f"consentry serve: {problem}")
            return ExitCode.ADDRESS_IN_USE
        except (AddressError, OSError) as problem:
            err().line(f"consentry serve: {problem}")
            return ExitCode.USAGE
        finally:
            application.close()


def _live(application: Application | Supervisor, arrived: Arrivals) -> int:
    """From the first load to the end."""
    settings = application.settings
    log.info("settings", extra={"settings": settings.model_dump_json()})
    loaded = application.load_first()
    if loaded.is_refused:
        # It serves and says that it is not ready: mended policies then need no restart.
        _tell_refusal(loaded.diagnostics, loaded.sources)
    bound = application.start()
    log.info(
        "ready" if not loaded.is_refused else "serving_without_policies",
        extra={
            "grpc": " ".join(bound.grpc),
            "health": bound.health or "",
            "http": bound.http or "",
            "digest": loaded.digest,
            "ledger_position": application.ledger_position,
        },
    )
    while True:
        number = arrived.wait()
        if number == getattr(signal, "SIGHUP", None):
            again = application.reload()
            if again.is_refused:
                _tell_refusal(again.diagnostics, again.sources)
            continue
        log.info("leaving", extra={"signal": signal.Signals(number).name})
        _drain_until_second_signal(application, arrived)
        return ExitCode.OK


def _drain_until_second_signal(application: Application | Supervisor, arrived: Arrivals) -> None:
    """Drains; a further SIGTERM or SIGINT cuts that short."""
    done = threading.Event()

    def hurry() -> None:
        while not done.is_set():
            number = arrived.wait_for(0.2)
            if number in (signal.SIGTERM, signal.SIGINT):
                application.stop()
                return

    listener = threading.Thread(target=hurry, name="consentry-hurry", daemon=True)
    listener.start()
    application.drain()
    done.set()
    listener.join()


def _tell_refusal(diagnostics: Sequence[Diagnostic], sources: Sequence[Source]) -> None:
    from consentry.diagnostics.render import render_text  # noqa: PLC0415 - seldom needed

    err().line(render_text(diagnostics, {source.name: source for source in sources}).rstrip("\n"))
