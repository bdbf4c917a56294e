"""What a record of the decision log says, and how much of it is told.

One line of JSON for each answer. What answers of one kind have in common is encoded once, and what
equal answers have in common once for each cache entry and key. Nothing here is the person's own:
the id is a keyed hash unless the operator wants it in clear, and of the question no more than a
keyed digest is kept unless its facts are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from json.encoder import encode_basestring_ascii as quoted
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from consentry.model.values import MICROS_PER_SECOND, datetime_of, time_us
from consentry.telemetry.audit.keys import AuditKey

DECISION: Final = "decision"
GAP: Final = "gap"
SAMPLED_OUT: Final = "sampled_out"

OPTIONAL_FIELDS: Final = (
    "rule", "purpose", "action", "data", "granted", "principal_id", "caller", "data_subject",
    "correlation_id", "trace_id",
)  # fmt: skip
"""Fields that may be left out of records."""

ALL_PERMITS: Final = "permit"
"""In `Telling.sampling`: every reason of a permit that is not named itself."""


class QuestionDetail(StrEnum):
    """How much of the question is kept: none of it, a keyed digest, or its facts."""

    NONE = "none"
    DIGEST = "digest"
    FACTS = "facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How much records tell.

    `leave_out` are names of `OPTIONAL_FIELDS`, and of facts, such as `subject.birth_date`.
    `sampling` is the share of records kept, by reason, between 0 and 1; what is not named is kept.
    """

    is_person_clear: bool = False
    question: QuestionDetail = QuestionDetail.DIGEST
    leave_out: frozenset[str] = frozenset()
    sampling: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


class Facts(NamedTuple):
    """The facts of a question but for the person's id, and which were left out of them."""

    told: Mapping[str, Any]
    left_out: tuple[str, ...] = ()


ReadFacts = Callable[[bytes, frozenset[str]], Facts]
"""(the question as it came, names of facts to leave out) -> its facts."""


_Told: TypeAlias = tuple[AuditKey | None, str, str]
"""What a kind settles of a line: the key it was told with, what stands before who asks, and
what stands after the revision of the person.
"""

_NOTHING_TOLD: Final[_Told] = (None, "", "")
_MAX_TOLD: Final = 2_048


@dataclass(slots=True, eq=False)
class AuditKind:
    """What records of answers to the same use with the same outcome have in common.

    `data` are the nodes asked for; `granted` the leaves given where it is not all of them, else
    None. Where the consent state could not be had, `is_consent_known` is false.

    PERF: not frozen, as in `model.consent`.
    """

    digest: Final[str]
    effect: Final[str]
    reason: Final[str]
    rule: Final[str]
    purpose: Final[str]
    action: Final[str]
    data: Final[tuple[str, ...]] = ()
    granted: Final[tuple[str, ...] | None] = None
    is_consent_known: Final[bool] = True


@dataclass(slots=True, eq=False)
class AuditFields:
    """What equal answers have in common; one object serves all answers from one cache entry.

    `revision` is the position of the person's newest event that the answer saw. `question` are the
    bytes as they came. `told` and `encoded` are the writer's own.

    PERF: there are as many as there are kept answers; what more than one can share is in `kind`.
    Who asks is not, for there may be many of them.
    """

    kind: AuditKind
    principal_id: str
    data_subject_id: str
    revision: int = 0
    question: bytes = b""
    told: _Told = field(default=_NOTHING_TOLD, init=False)
    encoded: str = field(default="", init=False)


Record: TypeAlias = tuple[int, int, str, int, str, bool, str, str, AuditFields]
"""One answer: its number, time, decision id, ledger position, correlation id, whether it came from
the cache, caller, trace id, and what it shares with equal answers.

PERF: a plain tuple; one is made for each answer.
"""


class RecordWriter:
    """Turns records into lines. One thread at a time."""

    def __init__(self, telling: Telling | None = None, read_facts: ReadFacts | None = None) -> None:
        """`read_facts` is needed where the facts of questions are to be told."""
        self._telling: Final = telling if telling is not None else Telling()
        if self._telling.question is QuestionDetail.FACTS and read_facts is None:
            raise ValueError("facts are to be told, and nothing reads them")
        self._read_facts: Final = read_facts
        leave_out = self._telling.leave_out
        self._says_principal: Final = "principal_id" not in leave_out
        self._says_correlation: Final = "correlation_id" not in leave_out
        self._says_caller: Final = "caller" not in leave_out
        self._says_trace: Final = "trace_id" not in leave_out
        self._owed: dict[str, float] = {}
        # What kinds settle of lines with this key.
        self._told: dict[AuditKind, _Told] = {}
        self._told_with: AuditKey | None = None
        self._second = -1
        self._second_text = ""

    def keeps(self, fields: AuditFields) -> bool:
        """Whether the next record of this kind is kept; exactly the share that sampling says."""
        sampling = self._telling.sampling
        if not sampling:
            return True
        kind = fields.kind
        share = sampling.get(kind.reason)
        if share is None:
            share = sampling.get(ALL_PERMITS, 1.0) if kind.effect == ALL_PERMITS else 1.0
        if share >= 1:
            return True
        owed = self._owed.get(kind.reason, 0.0) + share
        # INVARIANT: of n records of a reason, between n * share - 1 and n * share are kept.
        is_kept = owed >= 1
        self._owed[kind.reason] = owed - is_kept
        return is_kept

    def line(self, record: Record, key: AuditKey) -> bytes:
        """The line of one record, with its end."""
        seq, now_us, decision_id, position, correlation_id, is_hit, caller, trace_id, fields = (
            record
        )
        told_with, before, _ = fields.told
        if told_with is key:
            encoded = fields.encoded
        else:
            told, encoded = self._encode(fields, key)
            before = told[1]
            if is_hit:
                # PERF: an answer given from the cache again and again is encoded and hashed once.
                # One that is given once must not hold half its memory more while it is kept.
                fields.encoded, fields.told = encoded, told
        said = ""
        if correlation_id and self._says_correlation:
            said += f'"correlation_id":{quoted(correlation_id)},'
        if caller and self._says_caller:
            said += f'"caller":{quoted(caller)},'
        if trace_id and self._says_trace:
            said += f'"trace_id":{quoted(trace_id)},'
        return (
            f'{{"event":"{DECISION}","seq":{seq},"time":"{self._time(now_us)}",'
            f'"decision_id":{quoted(decision_id)},"position":{position},'
            f'{said}"is_hit":{"true" if is_hit else "false"},{before},{encoded}}}\n'
        ).encode("ascii")

    def _time(self, now_us: int) -> str:
        second, micros = divmod(now_us, MICROS_PER_SECOND)
        if second != self._second:  # PERF: making a date costs ten times the rest of a line
            self._second = second
            self._second_text = datetime_of(second * MICROS_PER_SECOND).strftime(
                "%Y-%m-%dT%H:%M:%S"
            )
        return f"{self._second_text}.{micros:06}Z"

    def _tell_kind(self, kind: AuditKind, key: AuditKey) -> _Told:
        before: dict[str, object] = {
            "digest": kind.digest,
            "effect": kind.effect,
            "reason": kind.reason,
            "rule": kind.rule,
            "purpose": kind.purpose,
            "action": kind.action,
            "data": kind.data,
        }
        after: dict[str, object] = {}
        if kind.granted is not None:
            after["granted"] = kind.granted
        if not kind.is_consent_known:
            after["is_consent_known"] = False
        for name in self._telling.leave_out:
            before.pop(name, None)
            after.pop(name, None)
        after["key"] = key.name
        return key, _members(before), _members(after)

    def _encode(self, fields: AuditFields, key: AuditKey) -> tuple[_Told, str]:
        if key is not self._told_with:
            self._told, self._told_with = {}, key
        told = self._told.get(fields.kind)
        if told is None:
            if len(self._told) >= _MAX_TOLD:
                self._told = {}
            told = self._told[fields.kind] = self._tell_kind(fields.kind, key)
        encoded = f'"revision":{fields.revision},{told[2]}'
        if self._says_principal:
            encoded = f'"principal_id":{quoted(fields.principal_id)},{encoded}'
        return told, encoded + self._person(fields, key) + self._question(fields, key)

    # PERF: members as text, of which hex needs no quoting: an encoder takes three times as long.
    def _person(self, fields: AuditFields, key: AuditKey) -> str:
        if "data_subject" in self._telling.leave_out or not fields.data_subject_id:
            return ""
        if self._telling.is_person_clear:
            return f',"data_subject_id":{quoted(fields.data_subject_id)}'
        return f',"data_subject":"{key.name_of(fields.data_subject_id)}"'

    def _question(self, fields: AuditFields, key: AuditKey) -> str:
        detail = self._telling.question
        if detail is QuestionDetail.NONE or not fields.question:
            return ""
        said = f',"question":"{key.digest(fields.question)}"'
        if detail is QuestionDetail.FACTS and self._read_facts is not None:
            facts = self._read_facts(fields.question, self._telling.leave_out)
            told: dict[str, object] = {"facts": facts.told}
            if facts.left_out:
                told["left_out"] = facts.left_out
            said += f",{_members(told)}"
        return said


def _members(told: Mapping[str, object]) -> str:
    return json.dumps(told, separators=(",", ":"))[1:-1]


def parse_time(text: str) -> int:
    """A record's time in microseconds since the epoch; raises ValueError."""
    return time_us(datetime.fromisoformat(text))
