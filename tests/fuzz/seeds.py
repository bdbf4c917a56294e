"""Good inputs to begin from: what the fuzzer changes, and what every run tries as it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.requests import newsletter_check
from tests.support.bundles import bundle_of

ROOT = Path(__file__).resolve().parents[2]
ROWS = (
    "subject,kind,purpose,happened_at,proof_method\n"
    "ada,given,marketing.email,2026-01-01T00:00:00Z,form\n"
)


def seeds(name: str) -> Iterator[bytes]:
    """Good inputs of one target."""
    match name:
        case "policy":
            for file in sorted((ROOT / "policies").glob("*.policy")):
                yield file.read_bytes()
        case "request":
            yield newsletter_check()
            yield newsletter_check(7)[:-20]
        case "consents":
            yield ROWS.encode()
            yield b'{"subject": "ada", "kind": "given", "purpose": "marketing.email"}\n'
            yield b'{"subject": "ada", "string": "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"}\n'
            yield b'{"subject": "ada", "string": "DBABMA~CPXxRfAPXxRfAAfKABENB-CgAAAAAA"}\n'
        case "bundle":
            yield bundle_of().raw()


def main() -> None:
    """Writes the seeds of a target into a folder: `python -m tests.fuzz.seeds TARGET FOLDER`."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(seeds(name)):
        (folder / f"seed-{number}").write_bytes(raw)


if __name__ == "__main__":
    main()
