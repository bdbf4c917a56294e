"""What the page about callers shows can be used, and does what the page says."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from consentry.app.settings_loading import load_settings
from consentry.app.wiring import Application
from consentry.server.callers import Right
from consentry.server.rights import METHOD_RIGHTS
from tests.support.certificates import Authority, TokenIssuer, key_set, secured
from tests.support.snippets import Snippet, snippets_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operators" / "callers.md"
EXAMPLES = [snippet for snippet in snippets_of(PAGE) if snippet.language == "toml"]
SERVICE = "/consentry.v1."


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CONSENTRY_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda snippet: snippet.id)
def test_every_example_is_a_configuration(example: Snippet) -> None:
    load_settings(tomllib.loads(example.body))


def test_the_table_of_rights_is_the_one_that_is_enforced() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    told = {right: set(re.findall(r"`([A-Z][A-Za-z]+)`", methods)) for right, methods in rows}
    enforced: dict[str, set[str]] = {right.value: set() for right in Right}
    for method, right in METHOD_RIGHTS.items():
        if method.startswith("/consentry."):
            enforced[right].add(method.rpartition("/")[2])

    assert told == enforced


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="consentry-") as made:
        yield Path(made)


def started(example: Snippet, folder: Path) -> tuple[Application, tuple[str, ...]]:
    """The example as it stands, but for its folders, its group and its ports."""
    text = example.body.replace("/run/consentry", str(folder))
    text = text.replace("/etc/consentry/tls", str(folder)).replace("/etc/consentry", str(folder))
    text = re.sub(r'group = "\w+"', f'group = "{os.getgid()}"', text).replace(":7470", ":0")
    settings: dict[str, Any] = tomllib.loads(text)
    settings["server"] |= {"health": None, "http": None}
    settings |= {"policies": {"path": ROOT / "policies"}, "state": {"path": folder / "state"}}
    application = Application(load_settings(settings))
    application.load_first()
    return application, application.start().grpc


def code(channel: grpc.Channel, method: str) -> grpc.StatusCode:
    try:
        channel.unary_unary(SERVICE + method)(b"", timeout=20)
    except grpc.RpcError as problem:
        found: grpc.StatusCode = problem.code()
        return found
    return grpc.StatusCode.OK


def example_of(text: str) -> Snippet:
    return next(example for example in EXAMPLES if text in example.body)


def test_sockets_give_each_caller_its_rights(folder: Path) -> None:
    application, addresses = started(example_of("operator.sock"), folder)
    try:
        codes = {}
        for name, address in zip(("shop", "forms", "operator"), addresses, strict=True):
            with grpc.insecure_channel(address) as channel:
                codes[name] = [
                    code(channel, method)
                    for method in (
                        "AuthorizationService/Check",
                        "ConsentService/RecordConsent",
                        "ConsentService/VerifyLedger",
                    )
                ]
        modes = [Path(a.removeprefix("unix:")).stat().st_mode & 0o777 for a in addresses]
    finally:
        application.close()

    bad, no, ok = (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.OK,
    )
    assert codes == {"shop": [bad, no, no], "forms": [no, bad, no], "operator": [no, no, ok]}
    assert modes == [0o660, 0o660, 0o600]


def test_certificates_and_tokens_prove_who_calls(folder: Path) -> None:
    authority, issuer = Authority(), TokenIssuer("https://kubernetes.default.svc")
    authority.server().write(folder)
    (folder / "ca.crt").write_bytes(authority.pem)
    (folder / "keys.json").write_bytes(key_set(issuer))
    by_certificate = example_of("spiffe://")
    by_token = example_of("[[tokens]]")
    shown = authority.client("spiffe://example.org/ns/shop/sa/web")
    token = issuer.token("system:serviceaccount:shop:web")
    by_token.body.index('algorithms = ["RS256"]')
    with_our_keys = Snippet(
        by_token.file, by_token.line, "toml", (), by_token.body.replace('"RS256"', '"EdDSA"')
    )

    for example, proof in ((by_certificate, shown), (with_our_keys, token)):
        application, addresses = started(example, folder)
        target = addresses[0].replace("0.0.0.0", "127.0.0.1")
        try:
            with (
                secured(target, authority, token=proof)
                if isinstance(proof, str)
                else secured(target, authority, proof)
            ) as channel:
                assert code(channel, "AuthorizationService/Check") is (
                    grpc.StatusCode.INVALID_ARGUMENT
                )
                assert code(channel, "PolicyService/ReloadPolicies") is (
                    grpc.StatusCode.PERMISSION_DENIED
                )
        finally:
            application.close()
