"""Writes the pages that are told from the code: diagnostics, metrics, configuration, law packs.

    ./dev docs           write them
    ./dev docs --check   tell which are not current

What a page says is what the code does: the same registry prints the messages, the same metrics are
scraped, the same settings are read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from catalogue_page import catalogue_page
from chart_schema import CHART_SCHEMA, chart_schema
from configuration_page import configuration_page
from grammar_page import grammar_page
from prometheus_client.metrics_core import Metric

from consentry.app.settings_schema import json_schema
from consentry.compiler.compile import compile_policies
from consentry.compiler.load import CORE_PACK, STRICT_PACK
from consentry.compiler.pack_contents import PackContents, read_contents
from consentry.compiler.symbols import Symbols
from consentry.compiler.texts import texts_of
from consentry.diagnostics.code_info import CodeInfo, Stage
from consentry.diagnostics.code_samples import EXAMPLES_AT_US, SET
from consentry.diagnostics.codes import CODES
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.render import render_text
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.pdp.sources import read_packs
from consentry.pdp.translations import read_pack_translations, texts_in
from consentry.telemetry.metric_names import GAUGES
from consentry.telemetry.metrics import Metrics

DOCS = Path(__file__).resolve().parent
MADE = "<!-- Written by docs/generate.py; change the code it is told from. -->"
METRICS_NOTE = """\
`consentry probe` measures `consentry_withdrawal_to_deny_seconds` from outside, and writes it for a
collector of text files.

In OpenMetrics, buckets of `consentry_decision_seconds` carry their newest decision as an exemplar:
its `decision_id`, which finds it in the decision log, and its `trace_id` where it is traced.
Prometheus keeps them with `--enable-feature=exemplar-storage`.

Labels are closed sets: purposes and actions that the policy set does not know count as `other`. One
metric has at most `metrics.max_series` series; what comes after is counted in a series where every
label is `other`."""
VOCABULARY = """\
What the pack `core` declares, which every policy set has. `as` maps a field to a data category and
a purpose to a data use: those of the fideslang taxonomy, 3.1, described in our own words, and a few
of our own. A key carries the tags of the keys above it. What more the laws want to know (facts of a
person, a recipient, a record) is declared in the pack `law`: `consentry packs --text law`."""
MAX_SHOWN_LINES = 40
MAX_SHOWN_COLUMNS = 120
STAGES = {
    Stage.SYNTAX: "Text and syntax",
    Stage.NAMES: "Names",
    Stage.TYPES: "Types",
    Stage.CONSENT: "Purpose and consent",
    Stage.FILES: "Files and loading",
    Stage.WARNING: "Warnings",
}


def diagnostics_of(info: CodeInfo) -> tuple[list[Diagnostic], Source]:
    """What the compiler says about the bad example of a code."""
    source = Source("example.policy", info.bad)
    result = compile_policies([source], read_packs(), now_us=EXAMPLES_AT_US)
    found = (*result.diagnostics, *result.notes)
    return [d for d in found if d.code == info.code], source


def diagnostic_page(info: CodeInfo) -> str:
    """The page of one code: what it means, a bad example with its message, a good one."""
    lines = [MADE, "", f"# {info.code}: {info.title}", "", info.explanation, ""]
    if info.stage is Stage.FILES:  # nothing that a policy says: the examples are of folders
        lines += ["## What goes wrong", "", block("text", info.bad), ""]
        return "\n".join([*lines, "## Mended", "", block("text", info.good), ""])
    diagnostics, source = diagnostics_of(info)
    message = render_text(diagnostics[:1], {source.name: source})
    is_error = bool(diagnostics) and diagnostics[0].is_error
    bad = block(f"policy error={info.code}" if is_error else "policy", info.bad)
    lines += ["## What goes wrong", "", bad, "", block("text", message), ""]
    return "\n".join([*lines, "## Mended", "", block(good_fence(info.good), info.good), ""])


def good_fence(text: str) -> str:
    """Whether a good example is a whole set, or shows only how to write one thing."""
    found = compile_policies([Source("example.policy", text)], read_packs()).diagnostics
    return "policy fragment" if any(d.is_error for d in found) else "policy"


def block(fence: str, text: str) -> str:
    """A fenced block; an example that is long or cannot be printed is shown cut, as text."""
    lines = text.rstrip().split("\n")
    is_long = len(lines) > MAX_SHOWN_LINES or max(map(len, lines)) > MAX_SHOWN_COLUMNS
    if not is_long and is_printable(text):
        return f"```{fence}\n{text.rstrip()}\n```"
    kept = [printable(line[:MAX_SHOWN_COLUMNS]) for line in lines[:MAX_SHOWN_LINES]]
    return "\n".join(["```text", *kept, *(["…"] if is_long else []), "```"])


def printable(text: str) -> str:
    """`text` with what cannot be printed by its code point."""
    return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text)


def is_printable(text: str) -> bool:
    """Whether a page can show the text: some examples hold control characters."""
    return all(character.isprintable() or character == "\n" for character in text)


def diagnostics_index() -> str:
    """The list of all codes by stage."""
    lines = [MADE, "", "# Diagnostics", ""]
    lines += ["Each message has a stable code. Errors stop a load, warnings do not unless", ""]
    lines[-2] += " `--strict` or `--error CODE` says so."
    for stage, title in STAGES.items():
        infos = [info for info in CODES.values() if info.stage is stage]
        if infos:
            lines += [f"## {title}", "", "| code | meaning |", "| --- | --- |"]
            lines += [f"| [{i.code}]({i.code}.md) | {i.title} |" for i in infos] + [""]
    return "\n".join(lines)


def labels_of(family: Metric) -> str:
    """The labels that a family's samples carry, without those that every histogram has."""
    names = {name for sample in family.samples for name in sample.labels}
    return ", ".join(f"`{name}`" for name in sorted(names - {"le"})) or "none"


def metric_rows() -> Iterator[str]:
    """One row a family, in the order of the exposition."""
    metrics = Metrics(version="0")
    metrics.decision_cell("permit", "consent_valid", "marketing.email", "contact").add()
    metrics.consent_events.cell("given").add()
    metrics.refused.cell("check").add()
    metrics.proxy_requests.cell("permit").add()
    metrics.http_calls.cell("authzen_evaluation", "200").add()
    for labels in (metrics.grpc_started, metrics.grpc_handled):
        labels.cell(*labels.labels)
    metrics.grpc_handling_seconds.histogram(*metrics.grpc_handling_seconds.labels)
    for name in GAUGES:
        metrics.watch_gauge(name, lambda: 0.0)
    metrics.watch_queue("check", lambda: 0)
    metrics.watch_in_flight("check", lambda: 0)
    metrics.set_policy("0" * 64)
    for family in metrics.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        name += "_info" if family.type == "info" else ""
        yield f"| `{name}` | {family.type} | {labels_of(family)} | {family.documentation} |"


def metrics_page() -> str:
    """All metrics with their labels and what to do about them."""
    head = ["# Metrics", "", "Served at `/metrics`, in the text format and in OpenMetrics.", ""]
    table = ["| name | type | labels | what to do with it |", "| --- | --- | --- | --- |"]
    note = ["", "Process and Python metrics (`process_*`, `python_gc_*`) stand beside them.", ""]
    note += [*METRICS_NOTE.split("\n"), ""]
    return "\n".join([MADE, "", *head, *table, *metric_rows(), *note])


def pack_rules_page(pack: PackContents) -> str:
    """All rules of a law pack, in their order, with what they say and where it is written."""
    lines = [MADE, "", f"# Rules of {pack.name}", "", f"From [{pack.name}](../{pack.name}.md)."]
    for regime in pack.regimes:
        since = f", from {regime.from_}" if regime.from_ else ""
        lines += ["", f"## {regime.name} {regime.version}: {regime.text}{since}", ""]
        lines += [
            "| rule | code | what it says | where it is written |",
            "| --- | --- | --- | --- |",
        ]
        for rule in regime.rules:
            dates = f" From {rule.from_}." if rule.from_ else ""
            dates += f" Until {rule.until}." if rule.until else ""
            said = f"{rule.text}.{dates}"
            lines.append(f"| {rule.word} `{rule.name}` | `{rule.code}` | {said} | {rule.cite} |")
    return "\n".join([*lines, ""])


def law_packs() -> list[PackContents]:
    """The contents of every pack that holds a law; `strict` holds none."""
    packs = [read_contents(name, source) for name, source in read_packs().items()]
    return [pack for pack in packs if pack.regimes and pack.name != STRICT_PACK]


def vocabulary_rows(symbols: Symbols) -> Iterator[tuple[str, str, Mapping[str, frozenset[str]]]]:
    """Tables of the vocabulary: heading, table of its translation, words with their tags."""
    yield "Tags", "tag", dict.fromkeys(symbols.tags, frozenset[str]())
    yield "Qualities of consent", "tag", dict.fromkeys(sorted(symbols.qualities), frozenset[str]())
    yield "Actions", "action", symbols.actions
    yield "Channels", "channel", symbols.channels
    yield "Standard data categories", "data", symbols.categories
    yield "Standard data uses", "purpose", symbols.uses
    yield "Reasons, the primary one first", "reason", dict.fromkeys(symbols.reasons, frozenset())


def vocabulary_page() -> str:
    """Every word that a policy set has without declaring it, in English and in Thai."""
    packs = read_packs()
    symbols = compile_policies([Source("example.policy", SET)], packs).symbols
    assert symbols is not None
    texts = texts_of([parse_module(packs[CORE_PACK]).module])
    thai = texts_in("th", read_pack_translations()[CORE_PACK])
    lines = [MADE, "", "# Vocabulary", "", VOCABULARY]
    for heading, kind, words in vocabulary_rows(symbols):
        has_tags = any(words.values())
        lines += ["", f"## {heading}", ""]
        lines += ["| word | meaning | in Thai |" + (" tags |" if has_tags else "")]
        lines += ["| --- | --- | --- |" + (" --- |" if has_tags else "")]
        for word, tags in words.items():
            key = (kind, word)
            row = f"| `{word}` | {texts.get(key, '')} | {thai.get(key, '')} |"
            shown = ", ".join(f"`{tag}`" for tag in sorted(tags))
            lines.append(row + (f" {shown} |" if has_tags else ""))
    return "\n".join([*lines, ""])


def pages() -> dict[Path, str]:
    """Every generated page by its place."""
    made = {DOCS / "diagnostics" / f"{c}.md": diagnostic_page(i) for c, i in CODES.items()}
    made[DOCS / "diagnostics" / "README.md"] = diagnostics_index()
    made[DOCS / "policy-authors" / "grammar.md"] = grammar_page(MADE)
    made[DOCS / "operators" / "metrics.md"] = metrics_page()
    made[DOCS / "operators" / "configuration.md"] = configuration_page(MADE)
    made[DOCS / "operators" / "configuration.schema.json"] = json_schema() + "\n"
    made[DOCS / "operators" / "catalogue.md"] = catalogue_page(MADE)
    made[DOCS / "policy-authors" / "vocabulary.md"] = vocabulary_page()
    made[CHART_SCHEMA] = chart_schema()
    for pack in law_packs():
        made[DOCS / "packs" / "rules" / f"{pack.name}.md"] = pack_rules_page(pack)
    return made


def main() -> int:
    """Writes or compares, and says what was not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when not current")
    options = parser.parse_args()
    wanted = pages()
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    made = [*(DOCS / "diagnostics").glob("*.md"), *(DOCS / "packs" / "rules").glob("*.md")]
    gone = [page for page in made if page not in wanted]
    for path in stale + gone:
        print(f"{path.relative_to(DOCS.parent)} is not current: run ./dev docs")
    if options.check:
        return 1 if stale or gone else 0
    for path in gone:
        path.unlink()
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
