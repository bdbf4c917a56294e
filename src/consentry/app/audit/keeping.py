"""`consentry audit keys`: the keys that persons are named with, listed, begun and deleted."""

from __future__ import annotations

import argparse
import time
from typing import Final

from consentry.app.audit.finding import add_place, find_place
from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError
from consentry.app.output import counted, err, out
from consentry.model.values import datetime_of
from consentry.telemetry.audit.keys import moment_of
from consentry.telemetry.audit.reader import AuditReader

KEYS_HELP: Final = "list the keys of the log, begin a new one, delete one with its records"


def add_keys(parser: argparse.ArgumentParser) -> None:
    """The flags of `keys`."""
    add_place(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--begin", action="store_true", help="begin the next key now")
    what.add_argument(
        "--delete",
        metavar="KEY",
        help="delete this key, and the files here that it covers: nobody is found by it any more",
    )
    parser.add_argument("--json", action="store_true", help="report as JSON")


def keys(options: argparse.Namespace) -> ExitCode:
    """0 where it was done."""
    reader = find_place(options).reader()
    ring = reader.keys
    if options.begin:
        begun = ring.begin(time.time_ns() // 1_000)
        return _say(options, {"begun": begun.name}, f"begun: {begun.name}")
    if options.delete:
        return _delete(options, reader)
    files = {name: len(reader.files_of(name)) for name in ring.names()}
    if options.json:
        out().json({"keys": [{"name": n, "older_files": count} for n, count in files.items()]})
        return ExitCode.OK
    for name, count in files.items():
        since = datetime_of(moment_of(name)).strftime("%Y-%m-%d %H:%M:%S")
        out().line(f"{name}  from {since} UTC, {counted(count, 'older file')}")
    return ExitCode.OK


def _delete(options: argparse.Namespace, reader: AuditReader) -> ExitCode:
    name, names = options.delete, reader.keys.names()
    if name not in names:
        raise CommandError(f"there is no key {name}", ExitCode.USAGE)
    if name == names[-1] or name in reader.active_keys():
        raise CommandError(
            f"{name} is in use; begin the next one first (--begin), and wait until a decision was"
            " logged with it",
            ExitCode.USAGE,
        )
    files = reader.files_of(name)
    for path in files:
        path.unlink(missing_ok=True)
    reader.keys.delete(name)
    told = {"deleted": name, "files": [path.name for path in files]}
    return _say(options, told, f"deleted: {name}, and {counted(len(files), 'file')} with it")


def _say(options: argparse.Namespace, told: dict[str, object], text: str) -> ExitCode:
    if options.json:
        out().json(told)
    else:
        err().line(text)
    return ExitCode.OK
