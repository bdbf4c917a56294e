"""Checking the hash chain: rows as they stand against the digests that were computed from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256 as _sha256
from typing import Any, Final, TypeAlias

from consentry.consent.errors import LedgerCorruptError
from consentry.consent.event_codec import (
    ERASURE_FORMAT,
    FORMAT,
    content_within,
    erasure_key,
    genesis_digest,
    remains_digest,
    with_time,
)

Row: TypeAlias = tuple[int, bytes, bytes, bytes, bytes, str | None, bytes | None, bytes | None]
"""position, key digest, content digest, public, digest, and data subject id, salt, personal: None
where erased. Every store reads its rows in this shape."""

_KEY_PREFIX: Final = b"key\n"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: position 0 and the genesis digest when there is no event."""

    position: int
    digest: bytes
    received_at_us: int = 0


class Verification:
    """A walk along the chain, in as many steps as the caller likes; used by one thread.

    Checked of each row: its position, its digest in the chain, its personal part against the digest
    in the public one, the columns it is found by, and that a personal part is missing only where a
    later erasure says so. Begun behind the first row, it trusts the head it is given.
    """

    def __init__(self, ledger_id: str, start: Head | None = None) -> None:
        self.head = start or Head(0, genesis_digest(ledger_id))
        self.erased_count = 0
        self._key_prefix: Final = _KEY_PREFIX + ledger_id.encode() + b"\n"
        # Rows without a personal part that no erasure has named yet: their two digests.
        self._missing: dict[int, bytes] = {}

    def feed(self, rows: Iterable[Row]) -> Head:
        """The head after `rows`, which follow the head without a gap.

        Raises:
            LedgerCorruptError: with the first position that does not hold.
        """
        # PERF: the head is made once; a frozen one for each row would cost a tenth of the walk.
        position, digest, received_at_us = (
            self.head.position,
            self.head.digest,
            self.head.received_at_us,
        )
        try:
            for row in rows:
                public = row[3]
                if row[0] != position + 1:
                    raise _missing(position + 1)
                if _sha256(digest + public).digest() != row[4]:
                    raise _broken(position + 1)
                said = json.loads(public)
                if said["position"] != row[0]:
                    raise _changed(row[0])
                self._check(row, said)
                position, digest, received_at_us = row[0], row[4], said["received_at_us"]
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise _unreadable(position + 1) from problem
        finally:
            self.head = Head(position, digest, received_at_us)
        return self.head

    def finish(self) -> Head:
        """The head, once the last row was fed.

        Raises:
            LedgerCorruptError: a personal part is gone, and no erasure says so.
        """
        if self._missing:
            position = min(self._missing)
            raise LedgerCorruptError(
                f"the personal part of position {position} is gone, and no erasure says so",
                position,
                "personal_missing",
            )
        return self.head

    def _check(self, row: Row, said: dict[str, Any]) -> None:
        if said["format"] == ERASURE_FORMAT:
            self._check_erasure(row, said)
        elif said["format"] != FORMAT:
            raise _unreadable(row[0])
        elif row[6] is None:
            self._missing[row[0]] = row[1] + row[2]
        else:
            self._check_personal(row, said)

    def _check_personal(self, row: Row, said: dict[str, Any]) -> None:
        position, key, content, public, _, data_subject_id, salt, personal = row
        if salt is None or personal is None:
            raise _unreadable(position)
        if _sha256(salt + personal).hexdigest() != said["personal_digest"]:
            raise LedgerCorruptError(
                f"the personal part of position {position} was changed",
                position,
                "personal_changed",
            )
        whose = json.loads(personal)
        used = self._key_prefix + whose.get("idempotency_key", "").encode()
        if (
            whose.get("data_subject_id", "") != data_subject_id
            or _sha256(used).digest() != key
            or not _is_content(content, salt, public, personal, said)
        ):
            raise _changed(position)

    def _check_erasure(self, row: Row, said: dict[str, Any]) -> None:
        position, key, content, public, _, data_subject_id, _, _ = row
        if not key == content == erasure_key(public) or data_subject_id is not None:
            raise _changed(position)
        erased: list[int] = said["erased"]
        self.erased_count += len(erased)
        found = [self._missing.pop(number, None) for number in erased]
        known = [digests for digests in found if digests is not None]
        # Some may stand before the start of the walk, or were read before they were erased.
        is_whole = len(known) == len(erased)
        if is_whole and remains_digest(known).hex() != said["remains_digest"]:
            raise LedgerCorruptError(
                f"what remained of those erased by position {position} was changed",
                position,
                "erasure_changed",
            )


def _is_content(
    content: bytes, salt: bytes, public: bytes, personal: bytes, said: dict[str, Any]
) -> bool:
    """Whether the content digest is that of the event's own words."""
    text = content_within(
        public,
        personal,
        event_id=said["event_id"],
        digest=said["personal_digest"],
        position=said["position"],
        received_at_us=said["received_at_us"],
    )
    if _sha256(salt + text).digest() == content:
        return True
    # Sent without a time of its own: the ledger put in that of the receipt.
    unset = with_time(text, said["happened_at_us"], 0)
    return _sha256(salt + unset).digest() == content


def _missing(position: int) -> LedgerCorruptError:
    return LedgerCorruptError(f"position {position} is missing", position, "position_missing")


def _broken(position: int) -> LedgerCorruptError:
    return LedgerCorruptError(f"the chain breaks at position {position}", position, "chain_broken")


def _unreadable(position: int) -> LedgerCorruptError:
    return LedgerCorruptError(f"position {position} cannot be read", position, "unreadable")


def _changed(position: int) -> LedgerCorruptError:
    return LedgerCorruptError(
        f"the row of position {position} is not its event's", position, "row_changed"
    )
