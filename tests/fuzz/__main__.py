"""Runs one target under the fuzzer: `python -m tests.fuzz TARGET [libFuzzer's options] [folders]`.

Needs atheris, which `./dev fuzz` installs into a venv of its own.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["consentry"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzzes until the time is up, or something that must hold does not."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
