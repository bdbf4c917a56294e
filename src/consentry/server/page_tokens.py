"""Page tokens: a ledger position that only this process can write, bound to one person's list.

The key lives as long as the process: after a restart a caller starts its list again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

_MAC_BYTES: Final = 16
_POSITION_BYTES: Final = 8


class PageTokens:
    """Makes and reads page tokens; has no state but its key."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key: Final = secrets.token_bytes(32) if key is None else key

    def make(self, data_subject_id: str, position: int) -> str:
        """The token that continues this person's list after `position`."""
        stamp = position.to_bytes(_POSITION_BYTES, "big")
        return base64.urlsafe_b64encode(stamp + self._mac(data_subject_id, stamp)).decode()

    def find_position(self, data_subject_id: str, token: str) -> int | None:
        """The position that `make` was given for this person, None for any other token."""
        if len(token) != (_POSITION_BYTES + _MAC_BYTES) * 4 // 3:
            return None
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        stamp, mac = raw[:_POSITION_BYTES], raw[_POSITION_BYTES:]
        if not hmac.compare_digest(mac, self._mac(data_subject_id, stamp)):
            return None
        return int.from_bytes(stamp, "big")

    def _mac(self, data_subject_id: str, stamp: bytes) -> bytes:
        text = b"consent-events\0" + stamp + data_subject_id.encode()
        return hmac.new(self._key, text, hashlib.sha256).digest()[:_MAC_BYTES]
