"""Consent over HTTP into a real sidecar: files of rows, and signed messages."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consentry.client import Client, Subject, service
from tests.support.sidecar import RunningSidecar, running_sidecar
from tests.support.signal_strings import Tc, california, header
from tests.support.webhooks import sign

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"k" * 32
NDJSON = "application/x-ndjson"
IMPORT = "/consent/v1/import"
CONFIG = """
[recording]
is_import_enabled = true
max_import_bytes = 100_000
signal_map = "{folder}/signals.toml"

[[recording.webhooks]]
name = "cmp"
secret_file = "{folder}/secret"
purposes = ["marketing"]
max_body_bytes = 10_000

[[recording.webhooks]]
name = "banner"
secret_file = "{folder}/secret"
rows = "gpc"
rate_per_s = 0.001
burst = 2
"""
SIGNALS = """
[purposes]
3 = "marketing.profiling"
"""


@dataclass(frozen=True)
class Door:
    sidecar: RunningSidecar

    def post(
        self, path: str, body: bytes, media_type: str = NDJSON, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection(self.sidecar.http, timeout=30)
        with contextlib.closing(connection):
            sent = {"content-type": media_type} | {
                name.replace("_", "-"): value for name, value in headers.items()
            }
            connection.request("POST", path, body, sent)
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return response.status, told, json.loads(response.read())

    def send(
        self, name: str, body: bytes, message_id: str = "m1", at_s: int | None = None
    ) -> tuple[int, dict[str, str], Any]:
        seconds = int(time.time()) if at_s is None else at_s
        headers = sign(SECRET, message_id, seconds, body)
        return self.post(f"/webhooks/{name}", body, "application/json", **headers)

    def may_mail(self, customer: str) -> bool:
        with Client(self.sidecar.target) as client:
            return client.permits(
                principal=service("campaign-mailer"),
                action="contact",
                data=["customer.contact.email"],
                subject=Subject(id=customer, attributes={"country": "DE"}),
                purpose="marketing.email",
                channel="email",
            )


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("recording")
    config = folder / "consentry.toml"
    config.write_text(CONFIG.format(folder=folder))
    (folder / "signals.toml").write_text(SIGNALS)
    (folder / "secret").write_text("whsec_" + base64.b64encode(SECRET).decode() + "\n")
    with running_sidecar(ROOT / "policies", folder / "s", "--config", str(config)) as sidecar:
        yield Door(sidecar)


def row(customer: str, kind: str = "given", **changes: str) -> dict[str, str]:
    said = {
        "kind": kind,
        "subject": customer,
        "purpose": "marketing.email",
        "happened_at": "2026-04-01T10:00:00Z",
        "notice": "2026-03",
        "method": "form",
    }
    return said | changes


def lines(*rows: dict[str, str]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def test_what_is_imported_decides_at_once(door: Door) -> None:
    assert not door.may_mail("imp-1")

    status, _, told = door.post(IMPORT, lines(row("imp-1"), row("imp-2")))

    assert (status, told["recorded"], told["refused"]) == (200, 2, [])
    assert told["ledger_position"] >= 2
    assert door.may_mail("imp-1")


def test_the_same_rows_again_record_nothing(door: Door) -> None:
    door.post(IMPORT, lines(row("twice")))
    status, _, told = door.post(IMPORT, lines(row("twice")))

    assert (status, told["recorded"], told["events"]) == (200, 0, 1)


def test_one_refused_row_keeps_all_out_unless_it_is_to_be_skipped(door: Door) -> None:
    body = lines(row("half"), row("half-2", purpose="postal"), {"colour": "red"})

    status, _, told = door.post(IMPORT, body)
    assert (status, told["recorded"]) == (422, 0)
    assert [(r["row"], r["field"], r["code"]) for r in told["refused"]] == [
        (2, "scope.purpose", "purpose_unknown"),
        (3, "colour", "unknown_column"),
    ]
    assert door.post(f"{IMPORT}?check=true&skip_refused=true", body)[2]["recorded"] == 0
    assert not door.may_mail("half")

    status, _, told = door.post(f"{IMPORT}?skip_refused=true", body)
    assert (status, told["recorded"]) == (422, 1)
    assert door.may_mail("half")


def test_tables_and_json_are_read_too(door: Door) -> None:
    names = row("csv-1")
    table = ",".join(names) + "\n" + ",".join(names.values()) + "\n"

    assert door.post(IMPORT, table.encode(), "text/csv; charset=utf-8")[2]["recorded"] == 1
    whole = json.dumps({"events": [row("json-1"), row("json-2")]}).encode()
    assert door.post(IMPORT, whole, "application/json")[2]["recorded"] == 2
    assert door.may_mail("csv-1")
    assert door.may_mail("json-2")


def test_signals_are_read_as_consent(door: Door) -> None:
    signal = {
        "subject": "tcf-1",
        "string": Tc(consents=(3,)).text(),
        "seen_at": "2026-05-01T00:00:00Z",
    }

    status, _, told = door.post(f"{IMPORT}?rows=tcf", lines(signal))
    broken = door.post(f"{IMPORT}?rows=tcf", lines(signal | {"string": "nonsense"}))
    opted_out = door.post(f"{IMPORT}?rows=gpc", lines(signal | {"string": "1"}))
    section = f"{header([8])}~{california(sale=1)}"
    sold = door.post(f"{IMPORT}?rows=gpp", lines(signal | {"string": section, "subject": "gpp-1"}))

    assert (status, told["recorded"]) == (200, 1)
    assert broken[0] == 422
    assert broken[2]["refused"][0]["field"] == "string"
    assert (opted_out[0], opted_out[2]["recorded"]) == (200, 2), "of sale and of sharing"
    assert (sold[0], sold[2]["recorded"]) == (200, 1)


@pytest.mark.parametrize(
    ("path", "body", "media_type", "status"),
    [
        (IMPORT, b"{", "application/json", 400),
        (IMPORT, b'{"events":3}', "application/json", 400),
        (IMPORT, b"{}", "application/xml", 415),
        (IMPORT, b"\xff", NDJSON, 400),
        (f"{IMPORT}?rows=xml", b"", NDJSON, 400),
        (f"{IMPORT}?check=perhaps", b"", NDJSON, 400),
        (f"{IMPORT}?colour=red", b"", NDJSON, 400),
        (IMPORT, b"x" * 100_001, NDJSON, 413),
        (IMPORT, b"no json", NDJSON, 422),
    ],
)
def test_what_is_no_file_is_refused(
    door: Door, path: str, body: bytes, media_type: str, status: int
) -> None:
    told = door.post(path, body, media_type)

    assert told[0] == status
    if status != 422:
        assert told[2]["status"] == status


def test_a_signed_message_counts_and_counts_once(door: Door) -> None:
    body = json.dumps(row("hook-1")).encode()

    first = door.send("cmp", body)
    again = door.send("cmp", body)

    assert (first[0], first[2]["recorded"]) == (200, 1)
    assert (again[0], again[2]["recorded"]) == (200, 0), "sent twice, and counts once"
    assert door.may_mail("hook-1")
    taken_back = row("hook-1", "withdrawn", happened_at="2026-04-02T10:00:00Z")
    assert door.send("cmp", json.dumps(taken_back).encode(), "m2")[0] == 200
    assert not door.may_mail("hook-1")


def test_a_key_used_twice_for_two_things_is_refused(door: Door) -> None:
    first = json.dumps(row("keyed", idempotency_key="order-1")).encode()
    other = json.dumps(row("keyed", "withdrawn", idempotency_key="order-1")).encode()

    assert door.send("cmp", first)[0] == 200
    status, _, told = door.send("cmp", other, "m2")
    assert status == 422
    assert told["refused"][0]["code"] == "idempotency_conflict"
    assert door.may_mail("keyed")


def test_who_cannot_sign_learns_nothing(door: Door) -> None:
    body = json.dumps(row("forged")).encode()
    now_s = int(time.time())
    headers = sign(SECRET, "m1", now_s, body)

    answers = [
        door.post("/webhooks/cmp", body, "application/json"),
        door.post("/webhooks/cmp", body + b" ", "application/json", **headers),
        door.post("/webhooks/cmp", body, "application/json", **sign(b"x" * 32, "m1", now_s, body)),
        door.send("cmp", body, at_s=now_s - 400),
        door.send("cmp", body, at_s=now_s + 400),
    ]

    assert {status for status, _, _ in answers} == {401}
    assert len({json.dumps(told) for _, _, told in answers}) == 1, "all look the same"
    assert not door.may_mail("forged")


def test_a_sender_records_for_its_purposes_only(door: Door) -> None:
    other = json.dumps(row("scoped", purpose="analytics.improvement")).encode()
    everything = json.dumps({k: v for k, v in row("scoped").items() if k != "purpose"}).encode()

    for body in (other, everything):
        status, _, told = door.send("cmp", body)
        assert status == 422, told
    assert door.send("cmp", other)[2]["refused"][0]["code"] == "purpose_not_permitted"


def test_a_message_larger_than_agreed_is_not_read(door: Door) -> None:
    assert door.send("cmp", b"x" * 10_001)[0] == 413


def test_a_sender_is_held_to_its_rate(door: Door) -> None:
    signal = json.dumps({"subject": "rate", "string": "0"}).encode()

    answers = [door.send("banner", signal, f"m{number}") for number in range(3)]

    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert int(answers[2][1]["retry-after"]) >= 1
    unsigned = door.post("/webhooks/banner", signal, "application/json")
    assert unsigned[0] == 401, "who cannot sign does not use the rate up"


def test_there_is_no_door_that_was_not_opened(door: Door, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection(door.sidecar.http, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", "/webhooks/other", b"{}")
        assert connection.getresponse().status == 404
