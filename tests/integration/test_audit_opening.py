"""What the settings of the decision log do to what it tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.telemetry.audit.reader import AuditReader
from tests.support.audited import POLICY, question, sidecar_in


def test_field_that_is_left_out_does_not_come_back_among_the_facts(tmp_path: Path) -> None:
    fields = ["action", "data", "principal_id", "purpose"]
    with sidecar_in(tmp_path, question="facts", leave_out=fields) as sidecar:
        sidecar.ask(question(principal="grace@shop.example"))
    (record,) = AuditReader(sidecar.state / "audit").records()
    raw = (sidecar.state / "audit" / "decisions.jsonl").read_text()

    assert record.facts is not None
    assert record.facts["principal"] == {"type": "service"}
    assert set(record.facts) == {"principal", "subject"}
    assert list(record.left_out) == fields
    assert not [word for word in ("grace", '"read"', "customer.", "mailing") if word in raw]


def test_misspelt_reason_to_sample_is_told_at_each_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A reason of the packs, one that a rule gives and one that nobody gives; all permits."""
    sampling = {"consent_missing": 0.5, "mail": 0.5, "consent_widhdrawn": 0.5, "permit": 0.5}
    with sidecar_in(tmp_path, sampling=sampling) as sidecar:
        sidecar.policy.write_text(POLICY.replace("permit mail ", "permit post "))
        assert sidecar.application.reload().is_reloaded

    told = [
        (record.reason, record.nearest)
        for record in caplog.records
        if record.msg == "audit_sampling_reason_unknown"
    ]
    assert told == [
        ("consent_widhdrawn", "consent_withdrawn"),
        ("consent_widhdrawn", "consent_withdrawn"),
        ("mail", ""),
    ]
