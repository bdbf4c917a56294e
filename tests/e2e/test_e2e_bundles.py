"""The real sidecar decides by signed bundles of a server, and by the last one without it."""

from __future__ import annotations

import http.client
import re
import signal
from pathlib import Path

import pytest

from consentry.pdp.bundle import read_bundle
from tests.support.bundles import FORBID, PERMIT, Keys, bundle_server
from tests.support.sidecar import RunningSidecar, running_sidecar


def metrics_of(sidecar: RunningSidecar) -> str:
    connection = http.client.HTTPConnection(sidecar.http, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def digest_of(sidecar: RunningSidecar) -> str:
    found = re.search(r'consentry_policy_info\{digest="([0-9a-f]+)"\}', metrics_of(sidecar))
    assert found is not None
    return found[1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sidecar_follows_signed_bundles_and_refuses_others(tmp_path: Path, workers: str) -> None:
    keys = Keys(tmp_path / "keys")
    first, second = keys.signed(serial=1), keys.signed(PERMIT + FORBID, serial=2)
    digests = [read_bundle(raw).manifest.policy_digest for raw in (first, second)]
    flags = ["--trusted-keys", str(keys.public), "--no-watch", "--workers", workers]
    with bundle_server() as server:
        server.offer(first, '"1"')
        place = ["--policies", server.url]
        with running_sidecar(tmp_path, tmp_path / "state", *place, *flags) as sidecar:
            assert digest_of(sidecar) == digests[0]

            server.offer(second, '"2"')
            sidecar.process.send_signal(signal.SIGHUP)
            for _ in range(int(workers)):
                sidecar.heard.wait_for("policy_loaded")
            assert digest_of(sidecar) == digests[1]

            server.offer(first, '"1"')
            sidecar.process.send_signal(signal.SIGHUP)
            for _ in range(int(workers)):
                assert sidecar.heard.wait_for("policy_refused")["code"] == "F551"
            assert digest_of(sidecar) == digests[1]
            assert 'consentry_policy_load_total{result="failed"}' in metrics_of(sidecar)

    with running_sidecar(tmp_path, tmp_path / "state", *place, *flags) as sidecar:
        assert digest_of(sidecar) == digests[1]
