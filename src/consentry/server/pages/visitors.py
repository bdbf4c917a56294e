"""Who looks at a page: by a session that a signed link began, or by the login of a trusted proxy.

A header that names somebody is believed only from the addresses of the operator's own proxies, and
only where it stands once. Whatever changes something must come from our own page: its form token
is bound to the person, and the browser's own word on where the form stood must not deny it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from consentry.model.ports import Clock
from consentry.model.values import MICROS_PER_SECOND
from consentry.server.pages.keys import LINK, SESSION, Grant, PageKeys
from consentry.server.text_checks import MAX_ID_BYTES, find_text_fault

MAX_SESSION_S: Final = 8 * 3_600
"""Longest session, however often the page is looked at."""
_PATH: Final = "/preferences"
_FROM_US: Final = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorOptions:
    """How people are known. `public_url` is where they see the page; empty: plain HTTP here."""

    public_url: str = ""
    login_header: str = ""
    trusted_proxies: tuple[str, ...] = ()
    session_s: float = 1_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody whose own page this is. `begun_at_s` is None where a proxy says who it is.

    `name` is what their link calls them; empty: nothing.
    """

    data_subject_id: str
    begun_at_s: int | None
    name: str = ""


class Visitors:
    """Knows visitors; any thread may ask."""

    def __init__(self, options: VisitorOptions, keys: PageKeys, clock: Clock) -> None:
        """Raises ValueError where an address of a proxy is none."""
        self._options: Final = options
        self._keys: Final = keys
        self._clock: Final = clock
        self._proxies: Final = networks(options.trusted_proxies)
        public = urlsplit(options.public_url)
        self._origin: Final = f"{public.scheme}://{public.netloc}" if public.netloc else ""
        self._is_secure: Final = public.scheme == "https"
        # With this prefix a browser takes the cookie from this host over TLS only, for all paths.
        self._cookie: Final = "__Host-consentry" if self._is_secure else "consentry"

    def find(self, request: Request) -> Visitor | None:
        """Who it is; None where nobody says so in a way that we believe."""
        if self._options.login_header and is_within(peer_of(request), self._proxies):
            named = request.headers.getlist(self._options.login_header)
            if len(named) == 1 and _is_id(named[0]):
                return Visitor(data_subject_id=named[0], begun_at_s=None)
            if named:
                return None
        grant = self._keys.open(SESSION, request.cookies.get(self._cookie, ""), self.now_s())
        if grant is None:
            return None
        return Visitor(
            data_subject_id=grant.data_subject_id, begun_at_s=grant.begun_at_s, name=grant.name
        )

    def open_link(self, token: str) -> Visitor | None:
        """Whose link this is; None where it is none, or over."""
        grant = self._keys.open(LINK, token, self.now_s())
        if grant is None or not _is_id(grant.data_subject_id):
            return None
        if grant.name and not _is_id(grant.name):
            return None
        return Visitor(
            data_subject_id=grant.data_subject_id, begun_at_s=self.now_s(), name=grant.name
        )

    def keep(self, visitor: Visitor, answer: Response) -> None:
        """Lets the session go on from now, as long as one may last."""
        if visitor.begun_at_s is None:
            return
        now_s = self.now_s()
        end_s = min(now_s + int(self._options.session_s), visitor.begun_at_s + MAX_SESSION_S)
        grant = Grant(
            data_subject_id=visitor.data_subject_id,
            expires_at_s=end_s,
            begun_at_s=visitor.begun_at_s,
            name=visitor.name,
        )
        answer.set_cookie(
            self._cookie,
            self._keys.sign(SESSION, grant),
            max_age=max(0, end_s - now_s),
            # A link in a letter comes from elsewhere: `strict` would not send it after that.
            samesite="lax",
            httponly=True,
            secure=self._is_secure,
            path="/" if self._is_secure else _PATH,
        )

    def forget(self, answer: Response) -> None:
        """Ends the session in this browser."""
        answer.delete_cookie(
            self._cookie,
            path="/" if self._is_secure else _PATH,
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )

    def form_token(self, visitor: Visitor) -> str:
        """What this person's forms carry."""
        return self._keys.form_token(visitor.data_subject_id, self.now_s())

    def is_own_form(self, request: Request, visitor: Visitor, token: str) -> bool:
        """Whether a form was sent from this person's own page."""
        origin = request.headers.get("origin")
        if origin is not None and origin != (self._origin or f"http://{_host(request)}"):
            return False
        if request.headers.get("sec-fetch-site", "same-origin") not in _FROM_US:
            return False
        return self._keys.is_form_token(
            token, visitor.data_subject_id, self.now_s(), self._options.session_s
        )

    def now_s(self) -> int:
        """The time by the ledger's clock."""
        return self._clock.now_us() // MICROS_PER_SECOND


def networks(texts: Sequence[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks, or single addresses.

    Raises:
        ValueError: one is none.
    """
    return tuple(ip_network(text) for text in texts)


def is_within(address: str, known: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address is one of these."""
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return any((mapped or peer) in network for network in known)


def peer_of(request: Request) -> str:
    """Address of whoever is connected; no header is asked."""
    return request.client.host if request.client is not None else ""


def _host(request: Request) -> str:
    return request.headers.get("host", "")


def _is_id(text: str) -> bool:
    return bool(text) and find_text_fault(text, MAX_ID_BYTES) is None
