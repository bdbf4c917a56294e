"""Everything that was asked about one person and everything that the person decided, for them.

Made from the ledger and the decision log. What those cannot tell (records that were dropped, keys
that are gone) is told as a gap, never passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consentry.consent.resolver import SubjectView
from consentry.consent.whole_purpose import find_flawless, whole_purpose
from consentry.model.consent import ConsentEvent
from consentry.model.program import Program
from consentry.model.values import datetime_of
from consentry.publish.choices import bases_of
from consentry.publish.html import render_page
from consentry.publish.preferences import act_sentence
from consentry.publish.wording import Wording

_PERMIT: Final = "permit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One answer of the decision log about the person.

    `granted` are the leaves that were given where it was not all of `data`. `revision` is the
    position of the person's newest event that the answer saw.
    """

    at_us: int
    decision_id: str
    principal: str
    caller: str
    action: str
    data: tuple[str, ...]
    granted: tuple[str, ...] | None
    purpose: str
    effect: str
    reason: str
    rule: str
    digest: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """On what an answer rested: lawful bases of the purpose then, and the consent that counted."""

    bases: tuple[str, ...] = ()
    consent_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Which answers were wanted; None and empty: all."""

    since_us: int | None = None
    until_us: int | None = None
    principal: str = ""

    def wants(self, at_us: int, principal: str) -> bool:
        """Whether an answer is within them; the end is exclusive."""
        return (
            (self.since_us is None or at_us >= self.since_us)
            and (self.until_us is None or at_us < self.until_us)
            and (not self.principal or principal == self.principal)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """What is missing, in numbers of answers: of all persons, since nobody knows whose they were.

    `unreadable` are records whose key is gone. `has_log` is false where there is no log at all.
    """

    has_log: bool = True
    oldest_us: int | None = None
    dropped: int = 0
    sampled_out: int = 0
    damaged: int = 0
    unreadable: int = 0
    has_receipts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectReport:
    """The whole of it; `receipts` are signed texts by event."""

    data_subject_id: str
    made_at_us: int
    limits: Limits
    asked: tuple[tuple[Asked, Ground], ...]
    events: tuple[ConsentEvent, ...]
    receipts: Mapping[str, str]
    gaps: Gaps


def grounds(
    asked: Iterable[Asked],
    events: Sequence[ConsentEvent],
    find_program: Callable[[str], Program | None],
) -> tuple[tuple[Asked, Ground], ...]:
    """Each answer with its ground, by the policy set and the events that it was given from."""
    views: dict[int, SubjectView] = {}
    found = []
    for one in asked:
        program = find_program(one.digest)
        view = views.get(one.revision)
        if view is None:
            seen = tuple(event for event in events if event.position <= one.revision)
            view = views[one.revision] = SubjectView(
                seen, revision=one.revision, position=one.revision, read_at_us=one.at_us
            )
        found.append((one, _ground(one, program, view)))
    return tuple(found)


def _ground(one: Asked, program: Program | None, view: SubjectView) -> Ground:
    if program is None or one.purpose not in program.purpose_names:
        return Ground()
    node = program.purposes[program.purpose_names[one.purpose]]
    standing = None
    if one.effect == _PERMIT:
        standing = find_flawless(view.consent(whole_purpose(program, node, one.at_us)))
    return Ground(
        bases=tuple(sorted(bases_of(node))),
        consent_id=standing.event_id if standing is not None else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Answers that differ in their time alone, in plain words."""

    first: str
    last: str
    count: int
    who: str
    what: str
    data: str
    purpose: str
    ground: str
    is_permitted: bool
    answer: str


def uses_of(report: SubjectReport, program: Program, wording: Wording) -> tuple[Use, ...]:
    """The answers in groups, the latest first."""
    groups: dict[object, list[tuple[Asked, Ground]]] = {}
    for one, ground in report.asked:
        key = (
            one.principal, one.action, one.data, one.granted, one.purpose, one.effect, one.reason,
            ground,
        )  # fmt: skip
        groups.setdefault(key, []).append((one, ground))
    made = [
        (max(one.at_us for one, _ in group), _use(group, report, program, wording))
        for group in groups.values()
    ]
    return tuple(use for _, use in sorted(made, key=lambda pair: -pair[0]))


def _use(
    group: Sequence[tuple[Asked, Ground]],
    report: SubjectReport,
    program: Program,
    wording: Wording,
) -> Use:
    one, ground = group[-1]
    times = sorted(each.at_us for each, _ in group)
    is_permitted = one.effect == _PERMIT
    answer = wording.phrase("report_permitted" if is_permitted else "report_denied")
    if is_permitted and one.granted is not None:
        answer += ": " + (_data(one.granted, program, wording) or wording.phrase("none"))
    reason = wording.text("reason", one.reason, program.reason_texts.get(one.reason, ""))
    return Use(
        first=_moment(times[0]),
        last=_moment(times[-1]),
        count=len(group),
        who=one.principal or wording.phrase("report_unnamed"),
        what=wording.text("action", one.action),
        data=_data(one.data, program, wording),
        purpose=_purpose(one.purpose, program, wording),
        ground=_told_ground(one, ground, report, wording),
        is_permitted=is_permitted,
        answer=f"{answer} ({reason})" if reason else answer,
    )


def _told_ground(one: Asked, ground: Ground, report: SubjectReport, wording: Wording) -> str:
    told = [wording.basis(basis) for basis in ground.bases]
    event = next((e for e in report.events if e.event_id == ground.consent_id), None)
    if event is not None and ground.consent_id:
        told.append(
            wording.phrase(
                "report_under", day=_moment(event.happened_at_us), event=ground.consent_id
            )
        )
    return "; ".join(told) if one.effect == _PERMIT else ""


def _data(paths: Iterable[str], program: Program, wording: Wording) -> str:
    texts = []
    for path in paths:
        index = program.data_names.get(path)
        node = None if index is None else program.data[index]
        texts.append(path if node is None else wording.text("data", node.path, node.text))
    return ", ".join(texts)


def _purpose(path: str, program: Program, wording: Wording) -> str:
    index = program.purpose_names.get(path)
    if index is None:
        return path or wording.phrase("none")
    node = program.purposes[index]
    return wording.text("purpose", node.path, node.text)


def gap_sentences(gaps: Gaps, wording: Wording) -> tuple[str, ...]:
    """What this report cannot tell, each in a sentence."""
    told = []
    if not gaps.has_log:
        told.append(wording.phrase("report_gap_no_log"))
    elif gaps.oldest_us is not None:
        told.append(wording.phrase("report_gap_oldest", when=_moment(gaps.oldest_us)))
    counts = {
        "dropped": gaps.dropped,
        "sampled_out": gaps.sampled_out,
        "damaged": gaps.damaged,
        "unreadable": gaps.unreadable,
    }
    told += [
        wording.phrase(f"report_gap_{name}", n=f"{count:,}")
        for name, count in counts.items()
        if count
    ]
    if not gaps.has_receipts:
        told.append(wording.phrase("report_gap_receipts"))
    return tuple(told)


def render_report(report: SubjectReport, program: Program, wording: Wording) -> str:
    """The report as a page: one file, no script, nothing fetched."""
    uses = uses_of(report, program, wording)
    mission = program.mission
    return render_page(
        "subject_report.html.j2",
        language=wording.language,
        phrase=wording.phrase,
        person=report.data_subject_id,
        controller=mission.controller if mission is not None else "",
        contact=mission.contact if mission is not None else "",
        made=_moment(report.made_at_us),
        limits=_told_limits(report.limits, wording),
        uses=uses,
        permitted=sum(use.count for use in uses if use.is_permitted),
        denied=sum(use.count for use in uses if not use.is_permitted),
        acts=[
            (
                _moment(event.happened_at_us),
                act_sentence(program, wording, event),
                event,
                report.receipts.get(event.event_id, ""),
            )
            for event in reversed(report.events)
        ],
        gaps=gap_sentences(report.gaps, wording),
        digest=program.digest,
    )


def _told_limits(limits: Limits, wording: Wording) -> tuple[str, ...]:
    told = []
    if limits.since_us is not None:
        told.append(wording.phrase("report_since", when=_moment(limits.since_us)))
    if limits.until_us is not None:
        told.append(wording.phrase("report_until", when=_moment(limits.until_us)))
    if limits.principal:
        told.append(wording.phrase("report_principal", who=limits.principal))
    return tuple(told)


def _moment(micros: int) -> str:
    return f"{datetime_of(micros):%Y-%m-%d %H:%M:%S} UTC"
