"""`consentry ledger import` and `export`, `receipt` and `keys`, as an operator would use them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consentry.client import Client, event
from consentry.client.keeper import LedgerKeeper
from tests.support.sidecar import running_sidecar
from tests.support.signal_strings import Tc

ROOT = Path(__file__).resolve().parents[2]
POLICIES = ROOT / "policies"
AT = "2026-01-01T00:00:00Z"


def consentry(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "consentry.app", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
    )


def row(subject: str, **more: object) -> str:
    told = {"kind": "given", "subject": subject, "purpose": "marketing", "happened_at": AT}
    return json.dumps(told | more) + "\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state" / "ledger").mkdir(parents=True)
    return tmp_path / "state"


def test_good_rows_are_recorded_once_and_come_out_again(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_text("".join(row(f"p{n}", method="form" if n % 2 else "") for n in range(1_500)))

    first = consentry("ledger", "import", "--state", state, file, "--json")
    again = consentry("ledger", "import", "--state", state, file, "--json")
    out = consentry("ledger", "export", "--state", state, tmp_path / "out.csv")
    back = consentry("ledger", "import", "--state", state, tmp_path / "out.csv", "--json")

    assert json.loads(first.stdout) == {
        "events": 1_500, "recorded": 1_500, "unproven": 750, "refused": [],
    }  # fmt: skip
    assert json.loads(again.stdout)["recorded"] == 0
    assert (out.returncode, "1,500 events" in out.stderr) == (0, True)
    assert json.loads(back.stdout)["recorded"] == 0
    assert consentry("ledger", "verify", "--state", state).returncode == 0


def test_nothing_is_recorded_while_a_row_is_refused(state: Path, tmp_path: Path) -> None:
    file, refused = tmp_path / "rows.ndjson", tmp_path / "refused.ndjson"
    file.write_text(
        row("p1") + row("p2", purpose="marketting") + "nonsense\n" + row("p\u202e3") + row("p4")
    )

    strict = consentry("ledger", "import", "--state", state, file, "--refused", refused)
    lenient = consentry("ledger", "import", "--state", state, file, "--skip-refused", "--json")

    assert strict.returncode == 1
    assert "nothing was recorded; 2 events could be" in strict.stdout
    assert [json.loads(line) for line in refused.read_text().splitlines()] == [
        {"line": 2, "field": "scope.purpose", "code": "purpose_unknown"},
        {"line": 3, "field": "", "code": "bad_json"},
        {"line": 4, "field": "subject", "code": "bidi_control"},
    ]
    assert lenient.returncode == 1
    assert json.loads(lenient.stdout)["recorded"] == 2


def test_rows_go_to_a_running_sidecar_which_refuses_what_it_must(
    state: Path, tmp_path: Path
) -> None:
    file = tmp_path / "rows.ndjson"
    good = "".join(row(f"p{n}") for n in range(30))
    file.write_text(good + row("bad", purpose="marketting") + row("worse", regime="atlantis"))
    with running_sidecar(POLICIES, state, "--no-watch") as sidecar:
        told = consentry(
            "ledger", "import", "--target", sidecar.target, file, "--skip-refused", "--json"
        )
        again = consentry(
            "ledger", "import", "--target", sidecar.target, file, "--skip-refused", "--json"
        )

    report = json.loads(told.stdout)
    assert (report["recorded"], json.loads(again.stdout)["recorded"]) == (30, 0)
    assert [(r["line"], r["code"]) for r in report["refused"]] == [
        (31, "purpose_unknown"),
        (32, "regime_unknown"),
    ]


def test_tc_strings_are_imported_by_a_map(state: Path, tmp_path: Path) -> None:
    strings, names = tmp_path / "strings.ndjson", tmp_path / "map.toml"
    text = Tc(consents=(4,), vendor_consents=(8,), disclosed=(8,)).text()
    strings.write_text(
        json.dumps({"subject": "ada", "string": text}) + "\n"
        + json.dumps({"subject": "bob", "string": "C"}) + "\n"
    )  # fmt: skip
    names.write_text('vendor = 8\n[purposes]\n4 = "marketing.email"\n3 = "marketing"\n')

    told = consentry(
        "ledger", "import", "--state", state, "--format", "tcf", "--map", names, "--skip-refused",
        "--json", strings,
    )  # fmt: skip
    out = consentry("ledger", "export", "--state", state, "-")

    assert json.loads(told.stdout)["refused"] == [
        {"line": 2, "field": "string", "code": "too_short"}
    ]
    kinds = {e["purpose"]: e["kind"] for e in map(json.loads, out.stdout.splitlines())}
    assert kinds == {"marketing.email": "given", "marketing": "refused"}


def test_records_have_the_fields_of_the_standard(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_text(row("ada", notice="2026-03", method="form") + row("ada", kind="withdrawn"))
    consentry("ledger", "import", "--state", state, file)

    told = consentry("ledger", "export", "--state", state, "--format", "iso27560", "-")

    (record,) = map(json.loads, told.stdout.splitlines())
    assert record["dct:conformsTo"] == "https://w3id.org/dpv/schema/dpv-27560#record"
    assert record["dpv:hasDataController"]["dpv:hasName"] == "Juniper & Finch GmbH"
    assert len(record["dpv:hasStatus"]) == 2
    assert "1 record" in told.stderr


def test_receipt_is_fetched_and_verified_without_the_sidecar(state: Path, tmp_path: Path) -> None:
    made = consentry("keys", "generate", "--state", state)
    with running_sidecar(POLICIES, state, "--no-watch") as sidecar:
        with Client(sidecar.target) as client:
            client.record_consent(
                event("given", "ada", purpose="marketing", proof_method="form", notice="2026-03")
            )
        with LedgerKeeper(sidecar.target) as keeper:
            events = consentry("ledger", "export", "--state", state, "-").stdout
            event_id = json.loads(events.splitlines()[0])["event_id"]
            assert keeper.get_receipt("ada", event_id).key_id
        got = consentry(
            "receipt", "get", "--target", sidecar.target, "--subject", "ada", "--event", event_id
        )
        consentry("keys", "generate", "--state", state)
    receipt, keys = tmp_path / "ada.jws", state / "keys" / "jwks.json"
    receipt.write_text(got.stdout)
    changed = tmp_path / "changed.jws"
    head, body, signature = got.stdout.strip().split(".")
    changed.write_text(f"{head}.{body[:-2]}{'AA' if body[-2:] != 'AA' else 'BB'}.{signature}")

    verified = consentry("receipt", "verify", "--keys", keys, receipt, "--json")
    forged = consentry("receipt", "verify", "--keys", keys, changed)
    page = consentry("receipt", "show", "--page", "--keys", keys, receipt)
    listed = consentry("keys", "list", "--state", state, "--json")

    assert made.returncode == 0
    assert json.loads(verified.stdout)["verified"] is True
    assert json.loads(verified.stdout)["key_id"] in made.stdout
    assert (forged.returncode, forged.stdout) == (1, "")
    assert page.stdout.startswith("<!doctype html>")
    assert [key["signs"] for key in json.loads(listed.stdout)] == [False, True]
