"""`consentry mapping`: runs cases of a mapping: requests and the questions they must ask."""

from __future__ import annotations

import argparse
from pathlib import Path

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import counted, err, out
from consentry.app.policy_files import compile_path

_EXAMPLES = """\
examples:
  consentry mapping --config consentry.toml cases.toml
  consentry mapping --config consentry.toml --policies policies cases.toml   names must exist, too
  consentry mapping --config consentry.toml --every-route cases.toml   fails where one has no case

a case (TOML):
  [[case]]
  name = "support reads an address"
  path = "/customers/c-7/address"
  headers = { x-ticket = "SR-1" }
  claims = { sub = "mia", roles = ["support"] }
  expect = { subject = "c-7", purpose = "service.support", "context.ticket" = "SR-1" }

  [[case]]
  name = "no way round by a second slash"
  path = "/customers//c-7/address"
  expect = { refused = "path_ambiguous" }

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry mapping",
        description=(
            "Run cases of the [envoy] mapping: requests, and the questions that they must ask. "
            "Needs no proxy and no sidecar."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="+", type=Path, metavar="CASES", help="TOML files of cases")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with the settings")
    parser.add_argument(
        "--policies",
        type=Path,
        metavar="DIR",
        help="a name that these policies do not have is a failure",
    )
    parser.add_argument(
        "--every-route", action="store_true", help="a route that no case reaches is a failure"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """0 where every case holds, 1 where one does not."""
    from consentry.app.envoy import build_mapping, claims_place  # noqa: PLC0415 (after --help)
    from consentry.app.mapping_cases import CasesError, read_cases, run_cases  # noqa: PLC0415
    from consentry.app.settings_loading import SettingsError, load_settings  # noqa: PLC0415

    try:
        settings = load_settings({}, options.config).envoy
        cases = [case for path in options.cases for case in read_cases(path)]
    except (SettingsError, CasesError) as problem:
        err().line(f"consentry mapping: {problem}")
        return ExitCode.USAGE
    program = None
    if options.policies is not None:
        compiled = compile_path(options.policies)
        program = compiled.result.program
        if program is None or compiled.has_errors:
            err().line(f"consentry mapping: the policies in {options.policies} do not compile")
            return ExitCode.USAGE
    outcomes = run_cases(cases, build_mapping(settings), claims_place(settings), program)
    reached = {outcome.route for outcome in outcomes}
    unreached = [route.name for route in settings.routes if route.name not in reached]
    failed = [outcome for outcome in outcomes if outcome.problems]
    if options.json:
        out().json(
            {
                "cases": [
                    {"name": o.case.name, "route": o.route, "problems": list(o.problems)}
                    for o in outcomes
                ],
                "unreached_routes": unreached,
            }
        )
    else:
        for outcome in failed:
            out().line(f"FAILED {outcome.case.name}")
            for difference in outcome.problems:
                out().line(f"  {difference}")
        for name in unreached:
            out().line(f"no case reaches the route {name}")
        out().line(f"{counted(len(outcomes), 'case')}, {len(failed)} failed")
    return ExitCode.FINDINGS if failed or (options.every_route and unreached) else ExitCode.OK
