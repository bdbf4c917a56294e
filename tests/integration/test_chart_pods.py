"""Every mode of the chart starts: the rendered words, files and environment, on this machine."""

from __future__ import annotations

import json
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from consentry.client import Client, Subject, event, service
from tests.support.bundles import Keys, bundle_of_texts, bundle_server
from tests.support.certificates import Authority, Certified
from tests.support.charts import CHART, Manifest, rendered
from tests.support.pods import RunningPod, run_hook, running_pod
from tests.support.postgres import Cluster

EPHEMERAL = "--allow-ephemeral-ledger"  # this machine may be a container itself
# Other work on this machine makes no answer late.
PATIENT = ("--set=config.ledger.bound_s=30", "--set=config.ledger.read_wait_s=1")
AT_ONCE = ("--drain-delay-s", "0")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def shop_of(home: Path, example: str, *words: str) -> list[Manifest]:
    return rendered(CHART / "examples" / example, home, *words)


def shop_policy(home: Path) -> str:
    """The text of the policies in the smallest example."""
    (text,) = [
        one["data"]["shop.policy"]
        for one in shop_of(home, "sidecar-own-ledger.yaml")
        if "shop.policy" in one.get("data", {})
    ]
    return str(text)


def config_map(name: str, texts: dict[str, str]) -> Manifest:
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": texts}


def status_of(pod: RunningPod, path: str) -> int:
    with urllib.request.urlopen(f"http://{pod.http}{path}", timeout=20) as answer:
        status: int = answer.status
        return status


def may_mail(pod: RunningPod, at_least: int = 0) -> str:
    """The reason of the answer to one question of the example's policies."""
    with Client(pod.grpc, timeout_s=10) as consentry:
        return consentry.check(
            principal=service("campaign-mailer"),
            action="contact",
            data=["customer.email"],
            subject=Subject(id="ada"),
            purpose="newsletter",
            channel="email",
            at_least=at_least,
        ).reason


def left_with(pod: RunningPod) -> int:
    pod.process.terminate()
    return pod.process.wait(timeout=30)


def test_sidecar_with_a_ledger_of_its_own_decides_and_keeps_consent(home: Path) -> None:
    with running_pod(shop_of(home, "sidecar-own-ledger.yaml"), EPHEMERAL) as pod:
        assert status_of(pod, "/readyz") == 200
        assert pod.grpc == f"unix:{pod.places['/run/consentry']}/consentry.sock"
        assert may_mail(pod) == "consent_missing"
        with Client(pod.grpc, timeout_s=10) as consentry:
            consentry.record_consent(
                event("given", "ada", purpose="newsletter", proof_method="web_form")
            )
        assert may_mail(pod) == "consent_valid"
        socket = pod.places["/run/consentry"] / "consentry.sock"
        assert socket.stat().st_mode & 0o777 == 0o660
        assert (pod.places["/var/lib/consentry"] / "ledger").is_dir()
        assert left_with(pod) == 0


@pytest.fixture
def ledger_secrets(postgres: Cluster) -> dict[str, dict[str, str]]:
    name = f"chart_{postgres.execute('SELECT count(*) FROM pg_database')[0][0]}"
    postgres.execute(f"CREATE DATABASE {name}")
    reached = {"conninfo": postgres.conninfo(name)}
    return {"consentry-ledger": reached, "consentry-ledger-owner": reached}


def tls_secret(authority: Authority, shown: Certified) -> dict[str, str]:
    """A Secret as cert-manager writes it."""
    named = {"tls.crt": shown.certificate, "tls.key": shown.key, "ca.crt": authority.pem}
    return {name: pem.decode() for name, pem in named.items()}


def test_nodes_migrate_start_and_are_followed_by_sidecars_of_the_chart(
    home: Path, ledger_secrets: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """The whole picture: hook, node, bundle server, and two pods of a service, by TLS."""
    keys = Keys(tmp_path / "keys")
    text = shop_policy(home)
    authority = Authority()
    mailer = authority.client("spiffe://example.org/ns/shop/sa/campaign-mailer-consentry")
    secrets = ledger_secrets | {
        "consentry-node-tls": tls_secret(authority, authority.server()),
        "campaign-mailer-tls": tls_secret(authority, mailer),
    }
    nodes = shop_of(home, "node.yaml", *PATIENT)
    nodes.append(config_map("shop-policies", {"shop.policy": text}))
    with ExitStack() as world:
        migrated = run_hook(nodes, ledger_secrets)
        assert migrated.returncode == 0, migrated.stderr
        node = world.enter_context(running_pod(nodes, *AT_ONCE, secrets=secrets))
        server = world.enter_context(bundle_server())
        server.offer(keys.sign(bundle_of_texts({"shop.policy": text})).raw(), '"1"')
        sidecars = shop_of(
            home,
            "sidecar.yaml",
            *PATIENT,
            f"--set-json=ledger.upstream=[{json.dumps(node.grpc)}]",
            f"--set=policies.bundle.url={server.url}",
            f"--set-json=policies.bundle.trustedKeys={json.dumps(keys.public.read_text())}",
        )
        first, second = (
            world.enter_context(running_pod(sidecars, secrets=secrets)) for _ in range(2)
        )
        with Client(first.grpc, timeout_s=10) as consentry:
            given = consentry.record_consent(
                event("given", "ada", purpose="newsletter", proof_method="web_form")
            )
        assert may_mail(first) == "consent_valid"
        assert may_mail(second, at_least=given) == "consent_valid"
        assert left_with(first) == left_with(second) == 0
        assert left_with(node) == 0


def test_standalone_answers_over_the_network_with_workers(
    home: Path, ledger_secrets: dict[str, dict[str, str]]
) -> None:
    manifests = shop_of(home, "standalone.yaml", *PATIENT)
    manifests.append(config_map("shop-policies", {"shop.policy": shop_policy(home)}))
    assert run_hook(shop_of(home, "node.yaml"), ledger_secrets).returncode == 0

    with running_pod(manifests, *AT_ONCE, secrets=ledger_secrets) as pod:
        assert status_of(pod, "/livez") == status_of(pod, "/readyz") == 200
        assert may_mail(pod) == "consent_missing"
        assert left_with(pod) == 0
