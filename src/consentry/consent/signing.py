"""Ed25519 keys in a folder, and signatures that any JOSE library verifies.

A signed text is a JWS in compact form (RFC 7515) with EdDSA (RFC 8037); public keys are a JWK Set
(RFC 7517) and are named by their thumbprint (RFC 7638). Making a key again makes it the one that
signs; the public keys of all before stay in the set, so that what they signed is verified for ever.

The library comes with the extra `sign` and is loaded when it is needed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC_FILE: Final = "jwks.json"
_ACTIVE_FILE: Final = "active"
_SUFFIX: Final = ".pem"
_ALGORITHM: Final = "EdDSA"
MAX_SIGNED_BYTES: Final = 1024 * 1024


class SigningUnavailableError(Exception):
    """The library is not installed."""


class KeyFileError(Exception):
    """A file with keys cannot be used; the text says why and holds nothing secret."""


class BadSignatureError(Exception):
    """It was not signed by any of these keys, or was changed since."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The 32 bytes that verify, and their name."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """RFC 7638: the digest of the members that make the key, in their order."""
        members = {"crv": "Ed25519", "kty": "OKP", "x": encode(self.raw)}
        text = json.dumps(members, separators=(",", ":"), sort_keys=True)
        return encode(hashlib.sha256(text.encode()).digest())

    def jwk(self) -> dict[str, str]:
        """The key as a set holds it."""
        return {
            "kty": "OKP", "crv": "Ed25519", "x": encode(self.raw),
            "kid": self.key_id, "use": "sig", "alg": _ALGORITHM,
        }  # fmt: skip


class Signer:
    """One private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key: Final = key
        self.public: Final = PublicKey(key.public_key().public_bytes_raw())

    def sign(self, payload: bytes, media_type: str) -> str:
        """`payload` with its signature, in compact form."""
        header = {"alg": _ALGORITHM, "kid": self.public.key_id, "typ": media_type}
        head = encode(json.dumps(header, separators=(",", ":"), sort_keys=True).encode())
        signed = f"{head}.{encode(payload)}"
        return f"{signed}.{encode(self._key.sign(signed.encode('ascii')))}"


@dataclass(frozen=True, slots=True)
class Verified:
    """A payload that a key of the set has signed."""

    payload: bytes
    key_id: str


def verify(text: str, keys: Iterable[PublicKey], *, media_type: str | None = None) -> Verified:
    """What was signed, if it was by one of `keys`; with `media_type` only as text of that kind.

    Raises:
        BadSignatureError: it was not.
        SigningUnavailableError: the library is not installed.
    """
    ed25519 = _library()
    head, payload, signature = _parts(text)
    try:
        header = json.loads(head)
    except ValueError as problem:
        raise BadSignatureError("this is no signed text") from problem
    if not isinstance(header, dict) or header.get("alg") != _ALGORITHM or "crit" in header:
        raise BadSignatureError("it is not signed with EdDSA")
    if media_type is not None and header.get("typ") != media_type:
        raise BadSignatureError("it was signed as something else")
    key = {key.key_id: key for key in keys}.get(str(header.get("kid")))
    if key is None:
        raise BadSignatureError(f"it was signed by another key, {header.get('kid')}")
    try:
        public = ed25519.Ed25519PublicKey.from_public_bytes(key.raw)
        public.verify(signature, text.rpartition(".")[0].encode("ascii"))
    except Exception as problem:  # InvalidSignature, or bytes that are no key
        raise BadSignatureError("the signature does not fit: it was changed") from problem
    return Verified(payload, key.key_id)


def peek(text: str) -> bytes:
    """What a signed text says, unverified.

    Raises:
        BadSignatureError: it is no signed text.
    """
    return _parts(text)[1]


def _parts(text: str) -> tuple[bytes, bytes, bytes]:
    parts = text.strip().split(".")
    if len(parts) != 3 or len(text) > MAX_SIGNED_BYTES * 2:
        raise BadSignatureError("this is no signed text")
    try:
        head, payload, signature = map(decode, parts)
    except ValueError as problem:
        raise BadSignatureError("this is no signed text") from problem
    return head, payload, signature


class KeyFolder:
    """Private keys, one file each, for their owner only; the public set beside them."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path

    def generate(self) -> PublicKey:
        """A new key, which signs from now on.

        Raises:
            OSError: the folder cannot be written.
            SigningUnavailableError: the library is not installed.
        """
        signer = Signer(_library().Ed25519PrivateKey.generate())
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        key_id = signer.public.key_id
        _write(self._path / f"{key_id}{_SUFFIX}", _pem(signer), 0o600)
        # INVARIANT: a key is in the public set before it signs anything.
        known = [*self.public_keys(), signer.public]
        _write(self._path / PUBLIC_FILE, jwk_set(known), 0o644)
        _write(self._path / _ACTIVE_FILE, f"{key_id}\n".encode(), 0o600)
        return signer.public

    def public_keys(self) -> tuple[PublicKey, ...]:
        """All keys that ever were, oldest first.

        Raises:
            KeyFileError: the set cannot be read.
        """
        path = self._path / PUBLIC_FILE
        return read_jwk_set(path) if path.exists() else ()

    def active_id(self) -> str | None:
        """Name of the key that signs; None where there is none."""
        try:
            return (self._path / _ACTIVE_FILE).read_text().strip() or None
        except FileNotFoundError:
            return None

    def find_signer(self) -> Signer | None:
        """The key that signs; None where there is none yet.

        Raises:
            KeyFileError: its file cannot be used.
            SigningUnavailableError: the library is not installed.
        """
        key_id = self.active_id()
        if key_id is None:
            return None
        path = self._path / f"{key_id}{_SUFFIX}"
        signer = _read_signer(path)
        if signer.public.key_id != key_id:
            raise KeyFileError(f"{path.name} holds another key than its name says")
        return signer


def read_jwk_set(path: Path) -> tuple[PublicKey, ...]:
    """The Ed25519 keys of a JWK Set, or of a single JWK.

    Raises:
        KeyFileError: it cannot be read, or holds none.
    """
    try:
        said = json.loads(path.read_bytes())
        entries = said.get("keys", [said])
        keys = tuple(PublicKey(decode(e["x"])) for e in entries if e.get("crv") == "Ed25519")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise KeyFileError(f"{path} cannot be read as a set of public keys") from problem
    if not keys or any(len(key.raw) != 32 for key in keys):
        raise KeyFileError(f"{path} holds no Ed25519 key")
    return keys


def jwk_set(keys: Iterable[PublicKey]) -> bytes:
    """A JWK Set, for people too."""
    return (json.dumps({"keys": [key.jwk() for key in keys]}, indent=2) + "\n").encode()


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes again; exactly one text stands for each.

    Raises:
        ValueError: it is not base64url without padding.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as problem:
        raise ValueError("not base64url") from problem
    if encode(raw) != text:
        raise ValueError("not the canonical base64url")
    return raw


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 (an extra)
    except ImportError as problem:
        raise SigningUnavailableError(
            "signatures need the extra `sign`: pip install 'consentry[sign]'"
        ) from problem
    return ed25519


def _pem(signer: Signer) -> bytes:
    from cryptography.hazmat.primitives import serialization as forms  # noqa: PLC0415 (an extra)

    return signer._key.private_bytes(  # noqa: SLF001 (the only place that writes it out)
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
    )


def _read_signer(path: Path) -> Signer:
    ed25519 = _library()
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 (an extra)
        load_pem_private_key,
    )

    try:
        if path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path.name} may be read by others; chmod 600 it")
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as problem:
        raise KeyFileError(f"{path.name} cannot be read as a private key") from problem
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyFileError(f"{path.name} is not an Ed25519 key")
    return Signer(key)


def _write(path: Path, content: bytes, mode: int) -> None:
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
