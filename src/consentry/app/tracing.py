"""Opens the tracer of a sidecar, where its settings want one."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from consentry.app.telemetry_settings import OtelSettings

if TYPE_CHECKING:  # an extra, loaded where it is wanted
    from consentry.telemetry.traces import Tracer

NO_OTEL: Final = "OpenTelemetry needs the extra: pip install 'consentry[otel]'"


def open_tracer(otel: OtelSettings, opening: ExitStack) -> Tracer | None:
    """The tracer, closed with `opening`; None where nothing is traced.

    Raises:
        OSError: the collector's authorities cannot be read.
        ValueError: the extra is missing.
    """
    if not otel.traces:
        return None
    try:
        from consentry.server.otlp import span_exporter  # noqa: PLC0415 (an extra)
        from consentry.telemetry.traces import Tracer, sampler_of  # noqa: PLC0415 (as above)
    except ImportError:
        raise ValueError(f"otel.traces: {NO_OTEL}") from None
    tracer = Tracer(
        span_exporter(otel.endpoint, otel.authorities),
        sampler_of(otel.sample_ratio, follows_callers=otel.follows_callers),
        version=version("consentry"),
    )
    opening.callback(tracer.close)
    return tracer
