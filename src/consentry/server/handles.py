"""Names for data subjects that mean something only to those who asked about them.

An answer carries the handle of its data subject, and a Watch tells which handles moved. The key is
of one sidecar and leaves it never, so that a reader of a Watch learns nothing about people whom it
did not ask about. Equal handles of two people would only end an answer too early.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

HANDLE_BYTES: Final = 8
"""Length of a handle."""


@dataclass(frozen=True, slots=True)
class Handles:
    """The handles of one instance: a sidecar, or all workers of one.

    `instance` is public and tells whose handles they are; `key` is secret.
    """

    instance: bytes
    key: bytes

    def of(self, data_subject_id: str) -> int:
        """The handle of a person, always the same within one instance; 64 bits."""
        # Ids are valid Unicode when they come from the wire; others may come from a ledger.
        raw = data_subject_id.encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(raw, digest_size=HANDLE_BYTES, key=self.key).digest(), "big")


def new_handles() -> Handles:
    """Those of a new instance."""
    return Handles(instance=os.urandom(8), key=os.urandom(32))
