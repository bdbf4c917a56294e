"""Receipts: signed copies of a consent record, for the person to keep and anyone to verify."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from consentry.consent.records import RecordFacts, receipt_of
from consentry.consent.signing import BadSignatureError, PublicKey, Signer, peek, verify
from consentry.model.consent import ConsentEvent
from consentry.model.ports import Clock

MEDIA_TYPE: Final = "consent-receipt+jws"


class ReceiptIssuer:
    """Signs receipts of one ledger; `find_signer` gives the key of the moment, None: none yet."""

    def __init__(
        self,
        find_ledger_id: Callable[[], str],
        find_signer: Callable[[], Signer | None],
        clock: Clock,
    ) -> None:
        self._find_ledger_id: Final = find_ledger_id
        self._find_signer: Final = find_signer
        self._clock: Final = clock

    def issue(self, events: Sequence[ConsentEvent], facts: RecordFacts) -> tuple[str, str] | None:
        """The receipt of the last of `events` and the name of its key; None without a key."""
        signer = self._find_signer()
        if signer is None:
            return None
        receipt = receipt_of(
            events, facts, ledger_id=self._find_ledger_id(), issued_at_us=self._clock.now_us()
        )
        payload = json.dumps(receipt, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return signer.sign(payload.encode(), MEDIA_TYPE), signer.public.key_id


def open_receipt(text: str, keys: Sequence[PublicKey]) -> tuple[dict[str, Any], str]:
    """What a receipt says and which key signed it.

    Raises:
        BadSignatureError: none of `keys` signed it, or it is not a receipt.
    """
    verified = verify(text, keys)
    return _receipt(verified.payload), verified.key_id


def look_into_receipt(text: str) -> dict[str, Any]:
    """What a receipt says, unverified.

    Raises:
        BadSignatureError: it is not a receipt.
    """
    return _receipt(peek(text))


def _receipt(payload: bytes) -> dict[str, Any]:
    try:
        said = json.loads(payload)
        if said["@type"] == "dpv:ConsentReceipt":
            return dict(said)
    except (ValueError, KeyError, TypeError) as problem:
        raise BadSignatureError("what was signed is not a consent receipt") from problem
    raise BadSignatureError("what was signed is not a consent receipt")
