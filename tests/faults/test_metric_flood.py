"""Callers send what they like; the number of series stays what the operator set."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc

from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import authorization_pb2_grpc, decision_pb2
from tests.support.sidecar import RunningSidecar, running_sidecar

MOST = 64
PURPOSES = 40
POLICY = "\n".join(
    [
        'mission "A shop" { controller "Shop GmbH" in "DE" }',
        "data customer { email name }",
        *(f'purpose p{n} "Purpose {n}" {{ basis legitimate_interest }}' for n in range(PURPOSES)),
        'permit all "Ours" { who service "mailer"  may read, contact  data customer  for p0 }',
    ]
)


def scraped(sidecar: RunningSidecar) -> list[str]:
    request = urllib.request.Request(  # our own address
        f"http://{sidecar.http}/metrics",
        headers={"accept": "application/openmetrics-text; version=1.0.0"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def hostile(number: int) -> wire.CheckRequest:
    """Every name in it is new, and some would break a line if they were told."""
    name = f'x{number}"}} 1\n'
    return wire.CheckRequest(
        principal=decision_pb2.Principal(id=name.strip(), type="service", roles=[f"r{number}"]),
        action=f"do-{number}",
        data=[f"customer.x{number}"],
        subject=decision_pb2.DataSubject(id=f"person-{number}"),
        purpose=f"purpose-{number}",
        channel=f"channel-{number}",
    )


def known(number: int) -> wire.CheckRequest:
    """All names are the policy set's: these could all be series."""
    return wire.CheckRequest(
        principal=decision_pb2.Principal(id="mailer", type="service"),
        action=("read", "contact", "store")[number % 3],
        data=["customer.email"],
        subject=decision_pb2.DataSubject(id="ada"),
        purpose=f"p{number // 3 % PURPOSES}",
    )


def test_series_stay_bounded_whatever_callers_send(
    tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.policy").write_text(POLICY)
    config = tmp_path / "consentry.toml"
    config.write_text(f"[metrics]\nmax_series = {MOST}\n")
    state = tmp_path / "state"
    flags = ("--config", str(config))
    with running_sidecar(tmp_path / "policies", state, *flags) as sidecar:
        channel = grpc.insecure_channel(sidecar.target)
        stub = authorization_pb2_grpc.AuthorizationServiceStub(channel)

        def flood(make: Callable[[int], wire.CheckRequest], count: int) -> None:
            for begin in range(0, count, 500):
                items = [
                    wire.BatchItem(check=make(n), correlation_id=f"c{n}")
                    for n in range(begin, begin + 500)
                ]
                stub.CheckBatch(wire.CheckBatchRequest(items=items), timeout=60)

        flood(hostile, 500)
        before = len(scraped(sidecar))
        flood(hostile, 5_000)
        after = scraped(sidecar)
        flood(known, 1_000)
        full = scraped(sidecar)
        channel.close()

    assert len(after) == before, "names that nobody declared make no series"
    decisions = [line for line in full if line.startswith("consentry_decisions_total{")]
    assert len(decisions) == MOST
    counts = [float(re.sub(r" # .*", "", line).rpartition(" ")[2]) for line in decisions]
    assert sum(counts) == 6_500
    overflow = 'action="other",decision="other",purpose="other",reason="other"'
    assert any(overflow in line for line in decisions)
    assert not [line for line in full if "person-" in line or "x1" in line]
    assert len(full) <= before + MOST
    figure("metrics: series under a flood of 5,500 names", f"{before} before, {len(after)} after")
