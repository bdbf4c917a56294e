"""The HTTP door of a real sidecar: what is not a plain question is told so and cut off."""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bench.requests import newsletter_check
from tests.catalogue.target import CHECK, Target

Figure = Callable[[str, object], None]


def exchange(target: Target, sent: bytes) -> bytes:
    """All that the door says before it closes the connection."""
    host, _, port = target.sidecar.http.rpartition(":")
    said = b""
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65_536):
                said += piece
    return said


def status_of(said: bytes) -> int:
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0


BAD = {
    "no version": (b"GET /metrics\r\n\r\n", {0, 400}),
    "odd verb": (b"BREW /metrics HTTP/1.1\r\nhost: a\r\n\r\n", {405}),
    "long header": (b"GET /metrics HTTP/1.1\r\nx: " + b"a" * 65_536 + b"\r\n\r\n", {0, 400, 431}),
    "posted": (b"POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 1073741824\r\n\r\n", {405}),
    "up": (b"GET /metrics/../admin HTTP/1.1\r\nhost: a\r\n\r\n", {404}),
    "two slashes": (b"GET //metrics HTTP/1.1\r\nhost: a\r\n\r\n", {404}),
    "coded dots": (b"GET /%2e%2e/ HTTP/1.1\r\nhost: a\r\n\r\n", {404}),
    "coded slash": (b"GET /metrics%2f HTTP/1.1\r\nhost: a\r\n\r\n", {404}),
    "two lengths": (
        b"GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        {0, 400},
    ),
    "bare line feed": (b"GET /livez HTTP/1.1\nhost: a\n\n", {0, 200, 400}),
    "zero byte": (b"GET /live\0z HTTP/1.1\r\nhost: a\r\n\r\n", {0, 400, 404}),
}


@pytest.mark.parametrize("row", BAD)
def test_bad_request(row: str, target: Target) -> None:
    sent, allowed = BAD[row]
    with target.unharmed():
        assert status_of(exchange(target, sent)) in allowed


def test_many_scrapes_at_once_leave_checks_answered(target: Target, figure: Figure) -> None:
    def scrape(_: int) -> int:
        try:
            with urllib.request.urlopen(f"http://{target.sidecar.http}/metrics", timeout=30) as got:
                return int(got.status)
        except OSError:
            return 503

    def ask() -> float:
        begin_s = time.perf_counter()
        assert target.call(CHECK, newsletter_check()).code == "OK"
        return time.perf_counter() - begin_s

    with target.unharmed(), ThreadPoolExecutor(16) as callers:
        quiet = statistics.median(ask() for _ in range(50))
        scrapes = [callers.submit(scrape, n) for n in range(200)]
        beside = statistics.median(ask() for _ in range(50))
        statuses = {done.result() for done in scrapes}
    figure("catalogue: a check beside 16 scrapes at once, ratio to none", f"{beside / quiet:.1f}")
    assert statuses <= {200, 503}
    assert 200 in statuses
