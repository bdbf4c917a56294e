"""Fetches a file over HTTPS, again only when it changed, within bounds of size and time.

The certificate is checked, redirects are refused, no proxy and no credential of the environment is
used. Plain HTTP is for this machine alone.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_CHUNK: Final = 1 << 16
_MAX_ETAG: Final = 1024


class UrlError(Exception):
    """The file cannot be had, or (`is_cut_short`) not all of it came; one sentence of ours."""

    def __init__(self, title: str, advice: str = "", *, is_cut_short: bool = False) -> None:
        super().__init__(title)
        self.title: Final = title
        self.advice: Final = advice
        self.is_cut_short: Final = is_cut_short


class UrlFile:
    """A file at a URL; keeps the bytes of the last answer and asks whether they still are.

    Lock: `_lock` lets one exchange run at a time, and guards what is kept of the last one.
    """

    def __init__(
        self,
        url: str,
        *,
        what: str,
        accept: str,
        max_bytes: int,
        timeout_s: float = 10.0,
        authorities: Path | None = None,
    ) -> None:
        """Nothing is fetched yet; `timeout_s` is for a whole exchange. `what` names the file in
        messages, as in "the bundle".

        Raises:
            ValueError: the URL is not one that may be used.
        """
        parts = urlsplit(url)
        self._host: Final = parts.hostname or ""
        self._is_tls: Final = parts.scheme == "https"
        if not self._host or parts.scheme not in ("https", "http"):
            raise ValueError("not a URL that begins with https://")
        if not self._is_tls and not _is_this_machine(self._host):
            raise ValueError("plain http is for this machine only, use https")
        if parts.username is not None or parts.fragment:
            raise ValueError("no user, password or fragment, please")
        self._port: Final = parts.port or (443 if self._is_tls else 80)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._authority: Final = host if parts.port is None else f"{host}:{parts.port}"
        self._target: Final = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not (self._target.isascii() and self._target.isprintable() and " " not in self._target):
            raise ValueError("percent-encode what is not plain")
        self._what: Final = what
        self._accept: Final = accept
        self._timeout_s: Final = timeout_s
        self._max_bytes: Final = max_bytes
        self._authorities: Final = authorities
        self._lock: Final = threading.Lock()
        self._etag = ""
        self._body = b""

    def fetch(self) -> bytes:
        """The file as the server has it now.

        Raises:
            UrlError: it cannot be had.
        """
        with self._lock, self._deadline() as deadline:
            return self._exchange(deadline)

    @contextmanager
    def _deadline(self) -> Iterator[_Deadline]:
        deadline = _Deadline(self._timeout_s)
        try:
            yield deadline
        except (OSError, http.client.HTTPException, ValueError) as error:
            if deadline.is_over or isinstance(error, TimeoutError):
                title = f"{self._what} did not come within {self._timeout_s:g} s"
                raise UrlError(title) from error
            if isinstance(error, http.client.IncompleteRead):
                raise self._cut_short() from error
            raise UrlError(f"{self._what} cannot be fetched: {_why(error)}") from error
        finally:
            deadline.close()

    def _exchange(self, deadline: _Deadline) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        connection.sock = self._connect(deadline)
        headers = {"Host": self._authority, "Accept": self._accept}
        if self._etag:
            headers["If-None-Match"] = self._etag
        connection.request("GET", self._target, headers=headers)
        with connection.getresponse() as response:
            deadline.check()
            if response.status == http.client.NOT_MODIFIED and self._etag:
                return self._body
            self._refuse_status(response)
            body = self._read(response, deadline)
            etag = response.getheader("ETag", "")
            is_usable = len(etag) <= _MAX_ETAG and etag.isascii() and etag.isprintable()
            self._etag, self._body = (etag, body) if is_usable else ("", b"")
            return body

    def _connect(self, deadline: _Deadline) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), self._timeout_s)
        deadline.guard(plain)
        if not self._is_tls:
            return plain
        context = ssl.create_default_context(
            cafile=None if self._authorities is None else str(self._authorities)
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        secured = context.wrap_socket(
            plain, server_hostname=self._host, do_handshake_on_connect=False
        )
        deadline.guard(secured)
        secured.do_handshake()
        return secured

    def _read(self, response: http.client.HTTPResponse, deadline: _Deadline) -> bytes:
        body = bytearray()
        while chunk := response.read(min(_CHUNK, self._max_bytes + 1 - len(body))):
            body += chunk
            if len(body) > self._max_bytes:
                title = f"{self._what} is larger than {self._max_bytes:,} bytes"
                raise UrlError(title, is_cut_short=True)
        deadline.check()
        if response.length:  # what the server announced and did not send
            raise self._cut_short()
        return bytes(body)

    def _refuse_status(self, response: http.client.HTTPResponse) -> None:
        status = response.status
        if 300 <= status < 400 and status != http.client.NOT_MODIFIED:
            title = "the server redirects, which is refused"
            raise UrlError(title, "name the place itself")
        if status != http.client.OK:
            raise UrlError(f"the server answered with status {status}")
        if response.getheader("Content-Encoding", "identity").lower() != "identity":
            raise UrlError(f"the server sent {self._what} encoded, unasked")

    def _cut_short(self) -> UrlError:
        return UrlError(f"{self._what} was cut short on its way", is_cut_short=True)


class _Deadline:
    """Cuts a connection when its time is over, whatever it waits for."""

    def __init__(self, timeout_s: float) -> None:
        self.is_over = False
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._timer = threading.Timer(timeout_s, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def guard(self, sock: socket.socket) -> None:
        """This is the connection to cut, and to close in the end."""
        with self._lock:
            self._sock = sock
        self.check()

    def check(self) -> None:
        """Raises TimeoutError when the time is over."""
        if self.is_over:
            raise TimeoutError

    def close(self) -> None:
        """The exchange is over."""
        self._timer.cancel()
        with self._lock:
            sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _cut(self) -> None:
        self.is_over = True
        with self._lock:
            if self._sock is not None:
                try:
                    # Not the method of a TLS socket, which would go on in plain text.
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
                except OSError:
                    return  # it is gone already


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}".lower()
    if isinstance(error, ssl.SSLError):
        return "no TLS connection"
    if isinstance(error, socket.gaierror):
        return "its host is not known"
    if isinstance(error, OSError):
        return (error.strerror or "the connection was lost").lower()
    return "the answer is not HTTP"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
