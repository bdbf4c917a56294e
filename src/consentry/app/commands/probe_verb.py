"""`consentry probe`: proves from outside that a withdrawal reaches every sidecar."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import err, out
from consentry.app.probing import Probed, ProbeError, ProbeQuestion, metrics_text, probe
from consentry.app.reaching import add_reach, reach_of
from consentry.client.questions import Principal

_EXAMPLES: Final = """\
examples:
  consentry probe --sidecar 10.0.0.1:7470 --sidecar 10.0.0.2:7470 \\
      --principal service:campaign-mailer --role marketer --action contact \\
      --data customer.contact.email --purpose marketing.email --channel email \\
      --subject-attr country=DE --notice 2026-03
  consentry probe … --metrics-file /var/lib/node_exporter/consentry.prom

Run it often, and alert on what it exports: it sees what people would see. The person is made up;
two events stay in the ledger. The purpose should be one that consent alone permits.

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry probe",
        description="Withdraw for a made-up person and time how long each sidecar permits.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--sidecar",
        action="append",
        required=True,
        metavar="ADDRESS",
        help="host:port or unix:/path; may repeat; the first also records",
    )
    add("--principal", required=True, metavar="KIND:ID", help="who asks, such as service:mailer")
    add("--role", action="append", default=[], help="a role of who asks; may repeat")
    add("--action", required=True, help="what is done")
    add("--data", action="append", required=True, metavar="PATH", help="to which data; may repeat")
    add("--purpose", required=True, help="for what; a purpose that rests on consent")
    add("--channel", default="", help="over which channel")
    add(
        "--subject-attr",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="an attribute of the made-up person; may repeat",
    )
    add("--notice", default="", metavar="VERSION", help="version of the notice consented to")
    add("--bound-s", type=float, default=2.0, metavar="S", help="the promise (default: 2)")
    add("--timeout-s", type=float, default=15.0, metavar="S", help="give up after (default: 15)")
    add("--metrics-file", type=Path, metavar="FILE", help="write the times there for Prometheus")
    add("--json", action="store_true", help="report as JSON")
    add_reach(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """0 where every sidecar denied within the bound."""
    kind, _, name = options.principal.partition(":")
    pairs = [text.partition("=") for text in options.subject_attr]
    if not name or any(not equals for _, equals, _ in pairs):
        err().line("consentry probe: --principal is KIND:ID, --subject-attr is NAME=TEXT")
        return ExitCode.USAGE
    asked = ProbeQuestion(
        principal=Principal(id=name, type=kind, roles=tuple(options.role)),
        action=options.action,
        data=tuple(options.data),
        purpose=options.purpose,
        channel=options.channel,
        subject_attributes={key: value for key, _, value in pairs},
        notice=options.notice,
    )
    try:
        probed = probe(
            options.sidecar,
            asked,
            timeout_s=options.timeout_s,
            tell=lambda text: None if options.json else err().line(f"{text} …"),
            reach=reach_of(options),
        )
    except (OSError, ValueError) as problem:
        err().line(f"consentry probe: {problem}")
        return ExitCode.USAGE
    except ProbeError as problem:
        err().line(f"consentry probe: {problem}")
        return ExitCode.FINDINGS
    if options.metrics_file is not None:
        _write(options.metrics_file, metrics_text(probed, options.timeout_s))
    is_kept = all(one.seconds is not None and one.seconds <= options.bound_s for one in probed)
    if options.json:
        out().json(
            {
                "within_bound": is_kept,
                "bound_s": options.bound_s,
                "sidecars": [
                    {"sidecar": one.target, "seconds": one.seconds, "reason": one.reason}
                    for one in probed
                ],
            }
        )
    else:
        _show(probed, options)
    return ExitCode.OK if is_kept else ExitCode.FINDINGS


def _show(probed: list[Probed], options: argparse.Namespace) -> None:
    console = out()
    for one in probed:
        is_late = one.seconds is None or one.seconds > options.bound_s
        told = (
            f"no denial within {options.timeout_s:g} s"
            if one.seconds is None
            else f"{one.seconds * 1_000:,.1f} ms"
        )
        told = console.styled(told, "red" if is_late else "green")
        console.line(f"{one.target}  {told}  {one.reason}")


def _write(path: Path, text: str) -> None:
    # Whoever reads it at this moment finds the old text or the new one, never half of it.
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
