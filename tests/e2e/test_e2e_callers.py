"""The installed command knows its callers, with several workers as with one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from tests.support.certificates import Authority, secured
from tests.support.sidecar import stop, wait_for_event

ROOT = Path(__file__).resolve().parents[2]
CHECK = "/consentry.v1.AuthorizationService/Check"
VERIFY = "/consentry.v1.ConsentService/VerifyLedger"


def code(channel: grpc.Channel, method: str) -> grpc.StatusCode:
    try:
        channel.unary_unary(method)(b"", timeout=20)
    except grpc.RpcError as problem:
        found: grpc.StatusCode = problem.code()
        return found
    return grpc.StatusCode.OK


def configuration(folder: Path, workers: int) -> str:
    return f"""
[policies]
path = "{ROOT}/policies"
[state]
path = "{folder}/state"
allow_ephemeral_ledger = true
[server]
listen = [
    "127.0.0.1:0",
    {{ address = "unix:{folder}/shop.sock", identity = "shop", group = "{os.getgid()}" }},
    {{ address = "unix:{folder}/keeper.sock", identity = "keeper" }},
]
health = "127.0.0.1:0"
http = "127.0.0.1:0"
workers = {workers}
drain_delay_s = 0
[tls]
certificate = "{folder}/tls.crt"
key = "{folder}/tls.key"
client_authorities = "{folder}/ca.crt"
[identities.shop]
rights = ["decide"]
[identities.keeper]
certificates = ["dns:keeper.example"]
rights = ["verify"]
"""


@contextmanager
def serving(config: Path) -> Iterator[list[str]]:
    """A sidecar in a process of its own; its gRPC addresses."""
    process = subprocess.Popen(
        [sys.executable, "-m", "consentry.app", "serve", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")},
    )
    try:
        yield wait_for_event(process, "ready")["grpc"].split()
    finally:
        stop(process)
        process.communicate()


@pytest.mark.parametrize("workers", [1, 2])
def test_callers_are_known_by_socket_and_certificate(workers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="consentry-") as name:
        folder, authority = Path(name), Authority()
        authority.server().write(folder)
        (folder / "ca.crt").write_bytes(authority.pem)
        config = folder / "consentry.toml"
        config.write_text(configuration(folder, workers))
        told = {}
        with serving(config) as (port, shop, keeper):
            shown = authority.client("dns:keeper.example")
            for who, channel in {
                "shop": grpc.insecure_channel(shop),
                "keeper": grpc.insecure_channel(keeper),
                "port": secured(port, authority, shown),
                "unknown": secured(port, authority, authority.client("dns:shop")),
            }.items():
                with channel:
                    told[who] = (code(channel, CHECK), code(channel, VERIFY))

    no = grpc.StatusCode.PERMISSION_DENIED
    assert told == {
        "shop": (grpc.StatusCode.INVALID_ARGUMENT, no),
        "keeper": (no, grpc.StatusCode.OK),
        "port": (no, grpc.StatusCode.OK),
        "unknown": (grpc.StatusCode.UNAUTHENTICATED,) * 2,
    }


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--listen", "0.0.0.0:0"), "can be reached from other machines"),
        (("--listen", "[::]:0"), "can be reached from other machines"),
    ],
)
def test_off_loopback_without_more_is_refused(
    tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "consentry.app", "serve", *flags, "--http", "none",
            "--policies", str(ROOT / "policies"), "--state", str(tmp_path / "state"),
            "--allow-ephemeral-ledger", "--health", "none",
        ],
        capture_output=True, text=True, timeout=120, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")},
    )  # fmt: skip

    assert done.returncode == 2
    assert said in done.stderr
