"""A real Envoy with the configuration of deploy/envoy, and a service behind it that tells all."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
ENVOY = Path(sys.executable).with_name("envoy")
CONFIG = ROOT / "deploy" / "envoy" / "envoy.yaml"
KEYS_FILE = "/etc/envoy/login-keys.json"
ISSUER = "https://login.juniperandfinch.example"
PATIENCE_S = 30
EXT_AUTHZ = "envoy.filters.http.ext_authz"
# The example's own, 0.2 s, is for machines that are not busy with tests.
PATIENCE_OF_PROXY = "2s"


@dataclass(frozen=True)
class Answer:
    """What a client of the proxy got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


class _Telling(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _tell(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        told = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body_bytes": len(body),
        }
        answer = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = do_PUT = _tell  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None: ...


@contextmanager
def telling_service() -> Iterator[int]:
    """A service that answers with what reached it; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Telling)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)


class Login:
    """Whose tokens the proxy trusts."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    def key_set(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [key | {"kid": "k1", "alg": "EdDSA", "use": "sig"}]}

    def token(self, **claims: Any) -> str:
        said = {"iss": ISSUER, "aud": "shop", "exp": 4_000_000_000} | claims
        return jwt.encode(said, self._key, algorithm="EdDSA", headers={"kid": "k1"})


class Envoy:
    """A started proxy."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.port = port
        self._lines: deque[dict[str, Any]] = deque()
        self._has_more = threading.Condition()
        self._process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    with self._has_more:
                        self._lines.append(entry)
                        self._has_more.notify_all()

    def next_log_line(self) -> dict[str, Any]:
        """The next line of the access log."""
        with self._has_more:
            assert self._has_more.wait_for(lambda: self._lines, PATIENCE_S), "no access log"
            return self._lines.popleft()

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request, its path sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read())

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)


def proxy_config(*, service: int, sidecar: str, keys: Path) -> dict[str, Any]:
    """The configuration of deploy/envoy, at other ports and with other keys."""
    text = CONFIG.read_text().replace(KEYS_FILE, str(keys))
    config: dict[str, Any] = yaml.safe_load(text)
    filters = manager_of(config)["http_filters"]
    [ext_authz] = [each for each in filters if each["name"] == EXT_AUTHZ]
    ext_authz["typed_config"]["grpc_service"]["timeout"] = PATIENCE_OF_PROXY
    ports = {"shop": service, "consentry": int(sidecar.rpartition(":")[2])}
    for cluster in config["static_resources"]["clusters"]:
        [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = ports[cluster["name"]]
    return config


def manager_of(config: dict[str, Any]) -> dict[str, Any]:
    """The part that a test may change before it starts a proxy."""
    [chain] = config["static_resources"]["listeners"][0]["filter_chains"]
    manager: dict[str, Any] = chain["filters"][0]["typed_config"]
    return manager


@contextmanager
def running_envoy(config: dict[str, Any], folder: Path) -> Iterator[Envoy]:
    """A proxy with this configuration, ready."""
    port = free_port()
    [listener] = config["static_resources"]["listeners"]
    listener["address"]["socket_address"]["port_value"] = port
    file = folder / f"envoy-{port}.yaml"
    file.write_text(yaml.safe_dump(config))
    flags = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]
    flags += ["--file-flush-interval-msec", "20"]
    process = subprocess.Popen(
        [str(ENVOY), "-c", str(file), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    envoy = Envoy(process, port)
    try:
        _wait_until_ready(envoy, process)
        yield envoy
    finally:
        envoy.end()


def _wait_until_ready(envoy: Envoy, process: subprocess.Popen[str]) -> None:
    # It says nothing of use when it is ready: asked until it answers, and it answers quickly.
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        assert process.poll() is None, "Envoy left"
        try:
            envoy.ask("/healthz")
        except OSError:
            pause.wait(0.02)
        else:
            envoy.next_log_line()
            return
    raise AssertionError("Envoy does not answer")
