"""Reads what `consentry probe --metrics-file` wrote, where it is kept beside a sidecar."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from consentry.model.values import MICROS_PER_SECOND

log = logging.getLogger(__name__)

PROBE_METRIC: Final = "consentry_withdrawal_to_deny_seconds"
_MAX_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """When the probe wrote, how many sidecars it asked, and the slowest; infinite: never denied."""

    at_us: int
    sidecars: int
    slowest_s: float


def read_probe_file(path: Path) -> ProbeReport | None:
    """The last report; None where there is none that can be read."""
    try:
        stat = path.stat()
        if stat.st_size > _MAX_BYTES:
            return None
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        log.warning("probe_file_unreadable")
        return None
    seconds = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == PROBE_METRIC and not math.isnan(sample.value)
    ]
    if not seconds:
        return None
    at_us = stat.st_mtime_ns * MICROS_PER_SECOND // 1_000_000_000
    return ProbeReport(at_us, len(seconds), max(seconds))
