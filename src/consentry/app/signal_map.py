"""What the numbers of signals stand for, from a file of the operator."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

from consentry.consent.signals.events import SignalMap

_NUMBERED: Final = ("purposes", "interests", "special_features", "sensitive")


class SignalMapError(ValueError):
    """The file is not such a map."""


def read_signal_map(path: Path | None) -> SignalMap:
    """The map of a TOML file; without one, nothing is mapped but the usual tags.

    Raises:
        SignalMapError: the file is not such a map.
    """
    if path is None:
        return SignalMap()
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        for name in _NUMBERED:
            if name in said:
                said[name] = {int(number): str(text) for number, text in said[name].items()}
        return SignalMap(**said)
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise SignalMapError(f"{path} is not a map of signals: {problem}") from problem
