"""`consentry config`: what counts and where it comes from, what is wrong, and the schema.

Shows no secret: how PostgreSQL is reached may hold a password.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import err, out
from consentry.app.serve_flags import add_flags, flags_of

if TYPE_CHECKING:  # loaded late: help needs no pydantic
    from consentry.app.settings import Settings
    from consentry.app.settings_loading import Loaded

_EXAMPLES: Final = """\
examples:
  consentry config show --config consentry.toml       every setting, and where it comes from
  consentry config show --said                        only what is not the default
  consentry config check --config consentry.toml      also looks at the files that it names
  consentry config schema > consentry.schema.json     a JSON Schema, for editors

Flags are those of `consentry serve`, so that a command line can be checked as it stands.

"""

_NEED_NOT_BE: Final = frozenset(
    {
        "policies.path",
        "state.path",
        "state.anchor_path",
        "receipts.keys_path",
        "statement.probe_file",
    }
)
"""Paths that are folders, are made by the sidecar, or come later."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry config",
        description="Show and check the configuration of a sidecar.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    show = parts.add_parser("show", help="what counts, and where each value comes from")
    show.add_argument("--said", action="store_true", help="only what is not the default")
    check = parts.add_parser("check", help="say what is wrong with it, and with files it names")
    for part in (show, check):
        part.add_argument("--json", action="store_true", help="one JSON object")
        add_flags(part)
    parts.add_parser("schema", help="a JSON Schema of the file")
    return parser


def run(options: argparse.Namespace) -> int:
    """Runs one part."""
    # pydantic is loaded here and not above: help needs none of it.
    from consentry.app.settings_loading import SettingsError, load_layers  # noqa: PLC0415
    from consentry.app.settings_schema import json_schema  # noqa: PLC0415

    if options.part == "schema":
        out().line(json_schema())
        return ExitCode.OK
    try:
        loaded = load_layers(flags_of(options), options.config)
        problems = _problems(loaded.settings) if options.part == "check" else ()
    except SettingsError as problem:
        problems, loaded = problem.problems, None
    if options.part == "show" and loaded is not None:
        _show(loaded, is_json=options.json, only_said=options.said)
        return ExitCode.OK
    if options.json:
        out().json({"is_valid": not problems, "problems": list(problems)})
    else:
        for line in problems:
            err().line(f"consentry config: {line}")
        if not problems:
            out().line("The configuration can be used.")
    return ExitCode.USAGE if problems else ExitCode.OK


def _problems(settings: Settings) -> tuple[str, ...]:
    """What a start would stumble over: files and groups that settings name."""
    from consentry.app.callers import listens_of, open_callers, open_certificates  # noqa: PLC0415
    from consentry.app.system import SystemClock  # noqa: PLC0415
    from consentry.server.addresses import AddressError, check_listen  # noqa: PLC0415

    unreadable = dict(_unreadable(settings))
    clock, found = SystemClock(), [f"{place}: {why}" for place, why in unreadable.items()]
    with ExitStack() as opening:
        for section, attempt in (
            ("tls.", lambda: open_certificates(settings, clock)),
            ("tokens.", lambda: open_callers(settings, clock, opening, follow=False)),
        ):
            if any(place.startswith(section) for place in unreadable):
                continue  # it would say the same again
            try:
                attempt()
            except (OSError, ValueError) as problem:
                found.append(str(problem))
    for listen in listens_of(settings):
        try:
            check_listen(
                listen.address,
                group=listen.group,
                is_safe=settings.server.insecure_off_loopback
                or listen.is_secured(knows_callers=bool(settings.identities)),
            )
        except AddressError as problem:
            found.append(str(problem))
    return tuple(found)


def _unreadable(settings: Settings) -> Iterator[tuple[str, str]]:
    """Place and fault of each file that is named and cannot be read."""
    for place, path in _paths(settings, ""):
        if place in _NEED_NOT_BE:
            continue
        try:
            path.open("rb").close()
        except OSError as problem:
            yield place, f"{path}: {problem.strerror}"


def _paths(value: object, place: str) -> Iterator[tuple[str, Path]]:
    """All paths of settings, and where each stands."""
    from pydantic import BaseModel  # noqa: PLC0415

    if isinstance(value, Path):
        yield place, value
        return
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, BaseModel):
        items = value
    elif isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, tuple):
        items = enumerate(value)
    for key, item in items:
        yield from _paths(item, f"{place}.{key}" if place else str(key))


def _show(loaded: Loaded, *, is_json: bool, only_said: bool) -> None:
    from consentry.app.settings_loading import DEFAULT  # noqa: PLC0415

    rows = [
        (path, value, origin)
        for path, value in _leaves(loaded.settings.model_dump(mode="json"), ())
        if (origin := loaded.origin_of(path)) != DEFAULT or not only_said
    ]
    if is_json:
        told = {".".join(path): {"value": v, "origin": o} for path, v, o in rows}
        out().json(told)
        return
    written = [(".".join(path), json.dumps(value), origin) for path, value, origin in rows]
    width = max((len(name) for name, _, _ in written), default=0)
    for name, value, origin in written:
        out().line(f"{name:<{width}}  {value}  ({origin})")


def _leaves(
    node: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value
