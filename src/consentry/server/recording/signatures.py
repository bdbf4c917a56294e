"""Signatures of messages, over id, time and body; good for some minutes.

    webhook-id: msg_2KWPBgLlAfxdpx2AI54pPJ85f4W
    webhook-timestamp: 1674087231
    webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1a,hnO3f9T8…

`v1` is HMAC-SHA256, `v1a` Ed25519. Several may stand there while keys change; one that holds is
enough. Every failure looks the same from outside.

Source: Standard Webhooks 1.0.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # an extra: not there for everybody
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ID_HEADER: Final = "webhook-id"
TIME_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (the form of a secret)
KEY_PREFIX: Final = "whpk_"
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64

_MAX_SIGNATURES: Final = 8
# No full stop: it keeps the parts apart that are signed, so that none can move into another.
_ID: Final = re.compile(r"[!-,\-/-~]{1,256}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_ED25519_BYTES: Final = 32


class NotVerifiedError(Exception):
    """The message was not signed by who it should come from, or too long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKeys:
    """Whose messages hold: shared secrets, public keys, and how far clocks may be apart."""

    secrets: tuple[bytes, ...] = ()
    public_keys: tuple[Ed25519PublicKey, ...] = ()
    tolerance_s: int = 300


def verify(headers: Mapping[str, str], body: bytes, keys: MessageKeys, now_s: float) -> None:
    """Comes back where the message is signed by one of the keys, and of about now.

    Raises:
        NotVerifiedError: it is not.
    """
    message_id = headers.get(ID_HEADER, "")
    seconds = headers.get(TIME_HEADER, "")
    if not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(seconds):
        raise NotVerifiedError
    signed = f"{message_id}.{seconds}.".encode() + body
    sent = headers.get(SIGNATURE_HEADER, "").split(" ")
    if len(sent) > _MAX_SIGNATURES:
        raise NotVerifiedError
    # The time is looked at last: only who can sign learns that it was the time.
    if not any(_holds(signature, signed, keys) for signature in sent):
        raise NotVerifiedError
    if abs(now_s - int(seconds)) > keys.tolerance_s:
        raise NotVerifiedError


def _holds(signature: str, signed: bytes, keys: MessageKeys) -> bool:
    version, comma, text = signature.partition(",")
    check = _CHECKS.get(version)
    if not comma or check is None:
        return False
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return check(raw, signed, keys)


def _check_secret(raw: bytes, signed: bytes, keys: MessageKeys) -> bool:
    made = [hmac.new(secret, signed, hashlib.sha256).digest() for secret in keys.secrets]
    return any(hmac.compare_digest(raw, one) for one in made)


def _check_public_key(raw: bytes, signed: bytes, keys: MessageKeys) -> bool:
    if not keys.public_keys:
        return False
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (an extra)

    for key in keys.public_keys:
        try:
            key.verify(raw, signed)
        except InvalidSignature:
            continue
        return True
    return False


_CHECKS: Final[Mapping[str, Callable[[bytes, bytes, MessageKeys], bool]]] = {
    "v1": _check_secret,
    "v1a": _check_public_key,
}


def parse_secret(text: str) -> bytes:
    """The secret in `whsec_…`.

    Raises:
        ValueError: it is none, or too short or too long to be one; the text repeats nothing of it.
    """
    raw = _decoded(text, SECRET_PREFIX)
    if not MIN_SECRET_BYTES <= len(raw) <= MAX_SECRET_BYTES:
        raise ValueError(f"a secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
    return raw


def parse_public_key(text: str) -> Ed25519PublicKey:
    """The key in `whpk_…`.

    Raises:
        ValueError: it is none, or the extra `sign` is not installed.
    """
    raw = _decoded(text, KEY_PREFIX)
    if len(raw) != _ED25519_BYTES:
        raise ValueError("a public key of Ed25519 has 32 bytes")
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 (an extra)
    except ImportError as problem:
        raise ValueError("public keys need the extra sign: pip install 'consentry[sign]'") from (
            problem
        )
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def _decoded(text: str, prefix: str) -> bytes:
    if not text.startswith(prefix):
        raise ValueError(f"must begin with {prefix}")
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be base64 after {prefix}") from None


def read_secrets(text: str) -> Sequence[bytes]:
    """The secrets of a file, one a line.

    Raises:
        ValueError: one of them is none, or there are none.
    """
    found = [parse_secret(line.strip()) for line in text.splitlines() if line.strip()]
    if not found:
        raise ValueError("has no secret")
    return found
