"""Bundles for tests: small policy sets, keys, and a server that misbehaves on request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from consentry.compiler.compile import compile_policies
from consentry.consent.signing import KeyFolder
from consentry.diagnostics.span import Source
from consentry.pdp.bundle import Bundle, build_bundle, sign_bundle
from consentry.pdp.sources import read_packs

CREATED_AT = "2026-11-25T12:00:00Z"
TREES = """\
data customer { email phone }
purpose service "Deliver" { basis contract }
"""
PERMIT = 'permit serve { who service "shop" may read data customer for service }\n'
FORBID = "forbid phones { data customer.phone }\n"
THAI = '[purpose]\nservice = "ส่งของ"\n'


def bundle_of(rules: str = PERMIT, *, serial: int = 1, digest: str | None = None) -> Bundle:
    """An unsigned bundle with two policy files and a translation."""
    texts = {"rules.policy": rules, "shop.th.toml": THAI, "trees.policy": TREES}
    return bundle_of_texts(texts, serial=serial, digest=digest)


def bundle_of_texts(
    texts: Mapping[str, str], *, serial: int = 1, digest: str | None = None
) -> Bundle:
    """An unsigned bundle with these files."""
    sources = [Source(name, text) for name, text in texts.items() if name.endswith(".policy")]
    packs = read_packs()
    program = compile_policies(sources, packs).program
    used = () if program is None else program.file_names
    found = "0" * 64 if program is None else program.digest
    return build_bundle(
        {name: text.encode() for name, text in texts.items()},
        serial=serial,
        created_at=CREATED_AT,
        policy_digest=digest or found,
        packs=[(name, one) for name, one in packs.items() if one.name in used],
    )


class Keys:
    """A folder with a key that signs."""

    def __init__(self, path: Path) -> None:
        self.folder = KeyFolder(path)
        self.folder.generate()
        self.public = path / "jwks.json"

    def sign(self, bundle: Bundle) -> Bundle:
        signer = self.folder.find_signer()
        assert signer is not None
        return sign_bundle(bundle, signer)

    def signed(self, rules: str = PERMIT, *, serial: int = 1) -> bytes:
        """The bytes of a signed bundle."""
        return self.sign(bundle_of(rules, serial=serial)).raw()


@dataclass
class BundleServer:
    """What it serves and how; `statuses` are those it answered with."""

    body: bytes = b""
    etag: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sent_bytes: int | None = None
    pause_s: float = 0.0
    statuses: list[int] = field(default_factory=list)
    url: str = ""
    leave: threading.Event = field(default_factory=threading.Event)

    def offer(self, body: bytes, etag: str = "") -> None:
        self.body, self.etag = body, etag


@contextmanager
def bundle_server(
    secure: Callable[[ThreadingHTTPServer], None] | None = None,
) -> Iterator[BundleServer]:
    """A real HTTP server on loopback."""
    world = BundleServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = world.etag and self.headers.get("If-None-Match") == world.etag
            status = 304 if is_known else world.status
            world.statuses.append(status)
            self.send_response(status)
            if world.etag:
                self.send_header("ETag", world.etag)
            for name, value in world.headers.items():
                self.send_header(name, value)
            if status == 304:
                self.end_headers()
                return
            self.send_header("Content-Length", str(len(world.body)))
            self.end_headers()
            if not world.pause_s:
                self.wfile.write(world.body[: world.sent_bytes])
                return
            for byte in world.body:  # a byte now and then: no single wait is ever long
                if world.leave.wait(world.pause_s):
                    return
                self.wfile.write(bytes([byte]))

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the caller hung up, as it should
                return

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if secure is not None:
        secure(server)
    scheme = "http" if secure is None else "https"
    world.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/shop.bundle"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield world
    finally:
        world.leave.set()
        server.shutdown()
        thread.join()
        server.server_close()
