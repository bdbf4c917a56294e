"""A consent receipt as a page to read and print: one file, no script, nothing fetched."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_STATES = {
    "dpv:ConsentRequested": "asked",
    "dpv:ConsentGiven": "given",
    "dpv:ConsentRefused": "refused",
    "dpv:ConsentWithdrawn": "withdrawn",
}


def receipt_page(receipt: dict[str, Any], *, signed: str, verified_by: str | None) -> str:
    """HTML of a receipt; `verified_by` names the key that was checked, None: none was.

    Everything shown stands in the receipt, so whoever prints it prints what was signed.
    """
    environment = Environment(
        loader=PackageLoader("consentry.publish"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    record = receipt["dpv:hasRecordOfActivity"]
    return environment.get_template("receipt.html").render(
        receipt=receipt,
        record=record,
        process=record["dpv:hasProcess"],
        controller=record["dpv:hasDataController"],
        notice=record["dpv:hasNotice"],
        events=[(_STATES[event["@type"]], event) for event in record["dpv:hasStatus"]],
        signed=signed,
        verified_by=verified_by,
    )
