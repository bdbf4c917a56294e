"""Live figures on the statement: rough, without anybody in them, and of this very sidecar."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from consentry.app.policy_files import compile_path
from consentry.app.probing import Probed, metrics_text
from consentry.model.program import Program
from consentry.publish.proof import (
    LEAST,
    Figures,
    ProbeResult,
    Speed,
    figures_json,
    kept_promises,
    rough,
    tell_proof,
)
from consentry.publish.wording import Wording, languages
from consentry.server.proof import MAX_AGE_S, LiveProof
from consentry.telemetry.metrics import Metrics
from consentry.telemetry.probe_file import ProbeReport, read_probe_file

NOW_US = 1_780_000_000_000_000
FIGURES = Figures(
    since_us=NOW_US - 3_600_000_000,
    now_us=NOW_US,
    decisions={"marketing.email": (1_234, LEAST - 1)},
    refusals={"children_not_targeted": 57},
    withdrawals=Speed(count=321, half_s=0.005, most_s=0.025),
    probe=ProbeResult(at_us=NOW_US - 120_000_000, systems=3, slowest_s=0.041),
)


class FakeClock:
    def __init__(self) -> None:
        self.s = 0.0

    def now_us(self) -> int:
        return NOW_US + int(self.s * 1e6)

    def monotonic_s(self) -> float:
        return self.s


@pytest.fixture(scope="module")
def shop(project_root: Path) -> Program:
    program = compile_path(project_root / "policies").result.program
    assert program is not None
    return program


def test_small_counts_are_not_told_and_others_are_rounded_down() -> None:
    assert [rough(count) for count in (0, 1, 19, 20, 29, 1_234)] == [
        None, None, None, 20, 20, 1_230,
    ]  # fmt: skip


@pytest.mark.parametrize("language", languages())
def test_every_purpose_has_its_row_and_no_exact_count_goes_out(
    shop: Program, language: str
) -> None:
    proof = tell_proof(FIGURES, shop, Wording(language, {}, {}))

    rows = {anchor: (permitted, denied) for anchor, _, permitted, denied in proof.purposes}
    assert set(rows) == {f"purpose-{node.path}" for node in shop.purposes}
    few = Wording(language, {}, {}).phrase("proof_few", n=LEAST)
    assert rows["purpose-marketing.email"] == ("1,230", few)
    assert rows["purpose-marketing.sms"] == (few, few)
    told = " ".join(proof.sentences)
    assert "320" in told
    assert "321" not in told
    assert "41 ms" in told


def test_a_promise_tells_what_its_own_limits_refused(shop: Program) -> None:
    names = {name for name, _, _ in kept_promises(shop)}
    told = figures_json(FIGURES, shop)["promises"]

    assert "children_profiled" in names
    assert isinstance(told, dict)
    assert told["children_profiled"] == 50


def test_a_failed_probe_is_told_as_one(shop: Program) -> None:
    failed = replace(FIGURES, probe=ProbeResult(at_us=NOW_US, systems=3, slowest_s=None))
    none = replace(FIGURES, probe=None)
    wording = Wording("en", {}, {})

    assert "Not all 3 systems refused in time." in tell_proof(failed, shop, wording).sentences[-1]
    assert "No test" in tell_proof(none, shop, wording).sentences[-1]


def test_figures_are_those_of_the_metrics_and_a_minute_old_at_most() -> None:
    metrics, clock = Metrics(), FakeClock()
    proof = LiveProof(metrics, clock, lambda: ProbeReport(NOW_US, 2, float("inf")))
    cell = metrics.decision_cell("permit", "consent_valid", "marketing.email", "contact")
    denied = metrics.decision_cell("deny", "consent_withdrawn", "marketing.email", "read")
    histogram = metrics.consent_record_seconds.histogram("withdrawn")
    for _ in range(100):
        cell.add()
        histogram.observe(0.004)
    denied.add()

    first = proof.figures()
    cell.add()
    clock.s += MAX_AGE_S - 1
    kept = proof.figures()
    clock.s += 1
    anew = proof.figures()

    assert first.decisions == {"marketing.email": (100, 1)}
    assert first.refusals == {"consent_withdrawn": 1}
    assert first.withdrawals == Speed(count=100, half_s=0.005, most_s=0.005)
    assert first.probe == ProbeResult(at_us=NOW_US, systems=2, slowest_s=None)
    assert kept is first
    assert anew.decisions == {"marketing.email": (101, 1)}


def test_what_the_probe_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "probe.prom"
    assert read_probe_file(path) is None
    path.write_text(metrics_text([Probed("a:1", 0.01, ""), Probed("b:1", 0.03, "")], 15.0))
    report = read_probe_file(path)
    path.write_text(metrics_text([Probed("a:1", None, "")], 15.0))
    failed = read_probe_file(path)
    path.write_text("half a li")

    assert report is not None
    assert (report.sidecars, report.slowest_s) == (2, 0.03)
    assert report.at_us == pytest.approx(path.stat().st_mtime_ns // 1_000, abs=60_000_000)
    assert failed is not None
    assert failed.slowest_s == float("inf")
    assert read_probe_file(path) is None
