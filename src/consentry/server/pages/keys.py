"""The secrets behind links, sessions and forms of the preference page.

A link is a JSON Web Token (RFC 7519) with HMAC-SHA-256, so that a shop makes links with whatever
library it has: `sub` is the data subject's id, `aud` is `consentry-preferences`, `exp` its end, and
`name`, where it is there, what the page calls the person. The key file holds one secret a line, the
text as it stands: the first signs, all are believed, so that a key is changed without breaking
links that are out.

The library comes with the extra `jwt` and is loaded when it is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import ModuleType

LINK: Final = "consentry-preferences"
SESSION: Final = "consentry-preferences-session"
MIN_SECRET_BYTES: Final = 32
MAX_TOKEN_BYTES: Final = 4_096
_ALGORITHM: Final = "HS256"


class PageKeyError(Exception):
    """The key file cannot be used; the text says why and holds nothing secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token says: whose page it opens, since when (sessions) and until when.

    `name` is what the page calls the person; empty: nothing.
    """

    data_subject_id: str
    expires_at_s: int
    begun_at_s: int = 0
    name: str = ""


class PageKeys:
    """Signs and opens; has no state but its secrets."""

    def __init__(self, known: Sequence[bytes]) -> None:
        """The first of `known` signs.

        Raises:
            PageKeyError: there is none, one is short, or the library is not installed.
        """
        if not known or any(len(secret) < MIN_SECRET_BYTES for secret in known):
            raise PageKeyError(f"a key has at least {MIN_SECRET_BYTES} characters, one key a line")
        self._secrets: Final = tuple(known)
        self._jwt: Final = _library()

    def sign(self, audience: str, grant: Grant) -> str:
        """A token for `LINK` or `SESSION`."""
        claims: dict[str, object] = {
            "sub": grant.data_subject_id,
            "aud": audience,
            "exp": grant.expires_at_s,
        }
        if grant.begun_at_s:
            claims["auth_time"] = grant.begun_at_s
        if grant.name:
            claims["name"] = grant.name
        token: str = self._jwt.encode(claims, self._secrets[0], algorithm=_ALGORITHM)
        return token

    def open(self, audience: str, token: str, now_s: int) -> Grant | None:
        """What a token says; None where it is none of ours, of another kind, or over."""
        if len(token) > MAX_TOKEN_BYTES:
            return None
        for secret in self._secrets:
            try:
                claims = self._jwt.decode(
                    token,
                    secret,
                    algorithms=[_ALGORITHM],
                    audience=audience,
                    # The clock is ours: the page's time is the ledger's.
                    options={
                        "require": ["sub", "aud", "exp"],
                        "verify_exp": False,
                        "verify_iat": False,
                        "verify_nbf": False,
                    },
                )
            except self._jwt.InvalidTokenError:
                continue
            return _grant(claims, now_s)
        return None

    def form_token(self, data_subject_id: str, now_s: int) -> str:
        """What a form of this person's page carries, so that no other page can send it."""
        return f"{now_s}.{_mac(self._secrets[0], data_subject_id, now_s)}"

    def is_form_token(self, token: str, data_subject_id: str, now_s: int, max_age_s: float) -> bool:
        """Whether the page of this person was made with it, and not too long ago."""
        made, _, mac = token.partition(".")
        if not (made.isascii() and made.isdigit() and len(made) < 16):
            return False
        if not -60 <= now_s - int(made) <= max_age_s:
            return False
        return any(
            hmac.compare_digest(_mac(secret, data_subject_id, int(made)), mac)
            for secret in self._secrets
        )


def _grant(claims: Mapping[str, Any], now_s: int) -> Grant | None:
    person, end, begun = claims["sub"], claims["exp"], claims.get("auth_time", 0)
    if not isinstance(person, str) or not isinstance(end, int) or not isinstance(begun, int):
        return None
    name = claims.get("name", "")
    if not person or end <= now_s or not isinstance(name, str):
        return None
    return Grant(data_subject_id=person, expires_at_s=end, begun_at_s=begun, name=name)


def _mac(secret: bytes, data_subject_id: str, made_at_s: int) -> str:
    # The prefix keeps what is signed here apart from every token, which begins with a letter.
    said = b"\0form\0" + f"{made_at_s}\0{data_subject_id}".encode("utf-8", "surrogatepass")
    return hmac.new(secret, said, hashlib.sha256).hexdigest()


def read_page_keys(path: Path) -> PageKeys:
    """The keys of a file.

    Raises:
        PageKeyError: it cannot be read, everybody may read it, or it holds no good key.
    """
    try:
        if path.stat().st_mode & 0o007:
            raise PageKeyError(f"{path} can be read by everybody on this machine: chmod 600")
        lines = path.read_bytes().splitlines()
    except OSError as problem:
        raise PageKeyError(f"{path}: {problem.strerror}") from problem
    known = [line.strip() for line in lines if line.strip() and not line.startswith(b"#")]
    try:
        return PageKeys(known)
    except PageKeyError as problem:
        raise PageKeyError(f"{path}: {problem}") from problem


def new_secret() -> str:
    """A secret for the key file."""
    return secrets.token_urlsafe(48)


def _library() -> ModuleType:
    try:
        import jwt  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as problem:
        raise PageKeyError("links need the extra: pip install 'consentry[jwt]'") from problem
    return jwt
