"""AuthZEN under requests made from its own OpenAPI document, right ones and wrong ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.sidecar import running_sidecar

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "service-developers" / "authzen.openapi.yaml"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("fuzzed")
    config = folder / "consentry.toml"
    config.write_text("[authzen]\nis_enabled = true\n")
    with running_sidecar(ROOT / "policies", folder / "s", "--config", str(config)) as sidecar:
        yield f"http://{sidecar.http}"


def examine(address: str, count: int) -> Counter[str]:
    """Statuses of `count` requests a method, half of them wrong; fails on the first finding."""
    statuses: Counter[str] = Counter()
    document: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
    schema = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=count // 2,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode))
            def try_one(case: Any) -> None:
                response = case.call(base_url=address)
                statuses[f"{response.status_code}"] += 1
                case.validate_response(response, checks=CHECKS)

            try_one()
    return statuses


def assert_both_kinds(statuses: Counter[str]) -> None:
    assert not [status for status in statuses if status.startswith("5")]
    assert statuses["200"] > 0, "some requests were understood"
    assert statuses["400"] > 0, "and some were not"


def test_requests_from_the_document_find_no_server_error(
    address: str, figure: Callable[[str, object], None]
) -> None:
    statuses = examine(address, 8)

    assert_both_kinds(statuses)
    figure("AuthZEN: requests from the OpenAPI document, by status; findings 0", dict(statuses))


@pytest.mark.slow
def test_many_requests_find_no_server_error(
    address: str, figure: Callable[[str, object], None]
) -> None:
    statuses = examine(address, 200)

    assert_both_kinds(statuses)
    figure("AuthZEN, slow: requests by status; findings 0", dict(statuses))
