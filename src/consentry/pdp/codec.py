"""The port through which the decision point reads questions and writes answers.

`server` implements it for protobuf, so that `pdp` never sees the wire. Answers are made in two
steps: everything that stays the same while the answer holds, and the *moment* of one call, which is
appended. So what the first step makes can be kept as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from consentry.model.decision import Decision
from consentry.model.request import Request


@dataclass(slots=True)
class DecodedCheck:
    """A question as decoded. `is_cacheable` is false where equal bytes may not mean an equal
    question, such as with unknown fields.
    """

    # PERF: one for each question, and so not frozen, as in `model.consent`.
    request: Final[Request]
    is_cacheable: Final[bool] = True


class Codec(Protocol):
    """Bytes to questions, answers to bytes. Pure and safe under threads."""

    def decode_check(self, raw: bytes) -> DecodedCheck:
        """The question in `raw`.

        Raises:
            RequestError: it is malformed or over a limit.
        """
        ...

    def encode_answer(
        self, decision: Decision, request: Request, digest: str, valid_until_us: int | None
    ) -> tuple[bytes, bytes]:
        """The answer without its moment, in two parts, to be completed with `complete`.

        The first part is the very object that answers like it had before, empty where there was
        none; what is this one's own follows.

        `valid_until_us` is told in place of the decision's own: a caller may have to ask earlier.
        """
        ...

    def complete(  # noqa: PLR0917 - a hot call: positional is what is cheap
        self,
        shared: bytes,
        own: bytes,
        decision_id: str,
        position: int,
        age_us: int,
        correlation_id: str,
    ) -> bytes:
        """Both parts of an answer with the moment of one call."""
        ...
