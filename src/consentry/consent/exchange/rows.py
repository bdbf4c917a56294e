"""One event as a row of names and texts, the same in NDJSON and in CSV.

In CSV a list is one cell, its entries apart by `;`, and a recipient is `role:mailer`. A cell that a
spreadsheet would take for a formula gets an apostrophe before it, which reading takes away again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias, TypeVar

from consentry.model.consent import (
    Author,
    ConsentEvent,
    EventKind,
    Proof,
    RecipientScope,
    Scope,
)

_Member = TypeVar("_Member", EventKind, Author)
Cell: TypeAlias = "str | int | list[str]"

TEXTS: Final = (
    "kind", "subject", "purpose", "tag", "controller", "regime", "happened_at", "expires_at",
    "notice", "by", "method", "source", "channel", "recorded_by", "reference", "idempotency_key",
)  # fmt: skip
LISTS: Final = ("data", "channels", "recipients", "qualities", "listed")
OF_THE_LEDGER: Final = ("position", "event_id", "received_at")
"""Told by an export, and passed over by an import."""
COLUMNS: Final = (*OF_THE_LEDGER[:1], *TEXTS, *LISTS, *OF_THE_LEDGER[1:])
_SEPARATOR: Final = ";"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_RECIPIENTS: Final = ("id", "role", "country")


class RowError(Exception):
    """The row is not an event; `field` is the column, `code` what is wrong."""

    def __init__(self, field: str, code: str) -> None:
        super().__init__(field, code)
        self.field = field
        self.code = code


def event_of_row(row: Mapping[str, object]) -> ConsentEvent:
    """The event that a row tells; whether it is well formed is another question (`validate`).

    Without a key of its own it gets one from its content, so that reading a file twice records
    nothing twice.

    Raises:
        RowError: a column is unknown, or holds something that it cannot.
    """
    for name in row:
        if name not in COLUMNS:
            raise RowError(str(name), "unknown_column")
    said = {name: _text(row, name) for name in TEXTS}
    lists = {name: _list(row, name) for name in LISTS}
    if not said["happened_at"]:
        raise RowError("happened_at", "required")
    return ConsentEvent(
        kind=_member(EventKind, "kind", said["kind"]),
        data_subject_id=said["subject"],
        scope=Scope(
            purpose=said["purpose"],
            tag=said["tag"],
            data=lists["data"],
            channels=lists["channels"],
            recipients=tuple(map(_recipient, lists["recipients"])),
            controller=said["controller"],
            regime=said["regime"],
        ),
        happened_at_us=time_of("happened_at", said["happened_at"]),
        expires_at_us=time_of("expires_at", said["expires_at"]) if said["expires_at"] else None,
        qualities=frozenset(lists["qualities"]),
        notice=said["notice"],
        listed=lists["listed"],
        by=_member(Author, "by", said["by"] or Author.DATA_SUBJECT.value),
        proof=Proof(
            method=said["method"],
            source=said["source"],
            channel=said["channel"],
            recorded_by=said["recorded_by"],
            reference=said["reference"],
        ),
        idempotency_key=said["idempotency_key"] or _key_of(said, lists),
    )


def row_of_event(event: ConsentEvent) -> dict[str, Cell]:
    """The row of a recorded event; empty cells are left out."""
    scope, proof = event.scope, event.proof
    cells: dict[str, Cell] = {
        "position": event.position,
        "kind": event.kind.value,
        "subject": event.data_subject_id,
        "purpose": scope.purpose,
        "tag": scope.tag,
        "controller": scope.controller,
        "regime": scope.regime,
        "happened_at": time_text(event.happened_at_us),
        "expires_at": "" if event.expires_at_us is None else time_text(event.expires_at_us),
        "notice": event.notice,
        "by": event.by.value,
        "method": proof.method,
        "source": proof.source,
        "channel": proof.channel,
        "recorded_by": proof.recorded_by,
        "reference": proof.reference,
        "idempotency_key": event.idempotency_key,
        "data": [*scope.data],
        "channels": [*scope.channels],
        "recipients": [_recipient_text(recipient) for recipient in scope.recipients],
        "qualities": sorted(event.qualities),
        "listed": [*event.listed],
        "event_id": event.event_id,
        "received_at": time_text(event.received_at_us),
    }
    return {name: cell for name, cell in cells.items() if cell not in ("", [])}


def csv_cells(row: Mapping[str, Cell]) -> list[str]:
    """The cells of a row in the order of `COLUMNS`.

    Raises:
        RowError: an entry of a list holds the character that keeps entries apart.
    """
    return [_guarded(_joined(name, row.get(name, ""))) for name in COLUMNS]


def row_of_csv(names: list[str], cells: list[str]) -> dict[str, object]:
    """A row again, empty cells left out.

    Raises:
        RowError: there are more or fewer cells than columns.
    """
    if len(cells) != len(names):
        raise RowError("", "ragged_row")
    row: dict[str, object] = {}
    for name, cell in zip(names, cells, strict=True):
        text = cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
        if text:
            row[name] = text.split(_SEPARATOR) if name in LISTS else text
    return row


def time_text(at_us: int) -> str:
    """A time as RFC 3339 has it, in UTC, to the microsecond."""
    seconds, micros = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


def _joined(name: str, cell: Cell) -> str:
    if not isinstance(cell, list):
        return str(cell)
    if any(_SEPARATOR in entry for entry in cell):
        raise RowError(name, "separator_in_entry")
    return _SEPARATOR.join(cell)


def _guarded(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text


def _text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str):
        raise RowError(name, "not_a_text")
    return value


def _list(row: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = row.get(name, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise RowError(name, "not_a_list_of_texts")
    return tuple(value)


def _member(kind: type[_Member], field: str, text: str) -> _Member:
    try:
        return kind(text)
    except ValueError:
        raise RowError(field, "unknown_value" if text else "required") from None


def time_of(field: str, text: str) -> int:
    """Microseconds since the epoch of a time in the form of RFC 3339, with its zone.

    Raises:
        RowError: it is none; `field` is the column it stands in.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RowError(field, "bad_time") from None
    if found.tzinfo is None:
        raise RowError(field, "no_zone")
    whole = found.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + found.microsecond


def _recipient(text: str) -> RecipientScope:
    kind, colon, name = text.partition(":")
    if not colon or kind not in _RECIPIENTS or not name:
        raise RowError("recipients", "one_of")
    return RecipientScope(**{kind: name})


def _recipient_text(recipient: RecipientScope) -> str:
    kind = next(kind for kind in _RECIPIENTS if getattr(recipient, kind))
    return f"{kind}:{getattr(recipient, kind)}"


def _key_of(said: Mapping[str, str], lists: Mapping[str, tuple[str, ...]]) -> str:
    whole = json.dumps({**said, **lists}, sort_keys=True)
    return f"import-{hashlib.sha256(whole.encode()).hexdigest()[:40]}"
