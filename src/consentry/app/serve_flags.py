"""The flags of a sidecar, and the settings that they say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

_NO_DOOR: Final = "none"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `consentry serve`."""
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="settings in TOML (or CONSENTRY_CONFIG)")
    add(
        "--policies",
        metavar="PLACE",
        help="folder, or signed bundle: a file or an https URL (default: policies)",
    )
    add("--trusted-keys", metavar="FILE", help="who may sign bundles, a JWK Set; no plain folder")
    add(
        "--allow-rollback-to",
        type=int,
        metavar="SERIAL",
        help="take the bundle of this one serial though a higher was active",
    )
    add("--state", metavar="DIR", help="folder that outlives the process (default: var/consentry)")
    add(
        "--ledger",
        type=ledger_flag,
        metavar="LEDGER",
        help="sqlite, postgres, or upstream=HOST:PORT[,HOST:PORT] (default: sqlite)",
    )
    add("--serves-feed", action="store_true", help="be a ledger node for sidecars that follow")
    add(
        "--listen",
        action="append",
        metavar="ADDRESS",
        help="gRPC on host:port or unix:/path; may repeat (default: 127.0.0.1:7470)",
    )
    add("--health", metavar="ADDRESS", help="gRPC health (default: 127.0.0.1:7471; none: no door)")
    add("--http", metavar="ADDRESS", help="/metrics, /readyz (default: 127.0.0.1:7472; none)")
    add("--insecure-off-loopback", action="store_true", help="allow others to reach it without TLS")
    add("--workers", type=int, metavar="N", help="processes that answer (default: 1)")
    add("--drain-delay-s", type=float, metavar="S", help="serve on after SIGTERM (default: 3)")
    add("--grace-s", type=float, metavar="S", help="then wait for calls in flight (default: 10)")
    add("--no-watch", action="store_true", help="reload on SIGHUP and on request only")
    add(
        "--allow-ephemeral-ledger",
        action="store_true",
        help="start even if the state folder dies with the container",
    )
    add("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR (default: INFO)")


def ledger_flag(text: str) -> dict[str, Any]:
    """The ledger's settings that a word of the command line says."""
    kind, _, addresses = text.partition("=")
    if kind == "upstream" and addresses:
        return {"kind": kind, "upstream": tuple(addresses.split(","))}
    if text not in ("sqlite", "postgres"):
        # How to reach PostgreSQL may hold a password, and others can read command lines.
        raise argparse.ArgumentTypeError(
            "sqlite, postgres (reached by CONSENTRY_LEDGER__CONNINFO, or PGHOST and its kin), or"
            " upstream=HOST:PORT"
        )
    return {"kind": kind}


def flags_of(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What was said by flags, nested like the settings; the unsaid is left to file and defaults."""
    said: dict[str, dict[str, Any]] = {}

    def say(section: str, key: str, value: object) -> None:
        if value is not None:
            said.setdefault(section, {})[key] = value

    if options.policies is not None:
        is_url = options.policies.startswith(("https://", "http://"))
        said["policies"] = {"url" if is_url else "path": options.policies}
        if not is_url:
            said["policies"]["url"] = None
    say("policies", "trusted_keys", options.trusted_keys)
    say("policies", "allow_rollback_to_serial", options.allow_rollback_to)
    say("policies", "is_watched", False if options.no_watch else None)
    say("state", "path", options.state)
    say("state", "allow_ephemeral_ledger", options.allow_ephemeral_ledger or None)
    for key, value in (options.ledger or {}).items():
        say("ledger", key, value)
    say("ledger", "serves_feed", options.serves_feed or None)
    say("server", "listen", tuple(options.listen) if options.listen else None)
    for door in ("health", "http"):
        address = getattr(options, door)
        if address == _NO_DOOR:
            said.setdefault("server", {})[door] = None
        else:
            say("server", door, address)
    say("server", "insecure_off_loopback", options.insecure_off_loopback or None)
    say("server", "workers", options.workers)
    say("server", "drain_delay_s", options.drain_delay_s)
    say("server", "grace_s", options.grace_s)
    say("log", "level", options.log_level.upper() if options.log_level else None)
    return said
