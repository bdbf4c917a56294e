"""Settings of what a sidecar tells of itself and of its decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from consentry.app.settings_section import Section
from consentry.telemetry.audit.record import OPTIONAL_FIELDS

_Share = Annotated[float, Field(ge=0, le=1)]
FACT_OWNERS: Final = ("principal", "subject", "recipient", "resource", "context", "signals")


class MetricsSettings(Section):
    """What is told at /metrics."""

    max_series: Annotated[int, Field(ge=64)] = Field(
        default=2_000,
        description="Most series of one metric; the rest are counted as one, `other`.",
    )


class OtelSettings(Section):
    """OpenTelemetry; needs the extra `otel`. Nothing is sent unless traces or audit.sink say so."""

    traces: bool = Field(default=False, description="Send spans of calls.")
    endpoint: str = Field(
        default="http://127.0.0.1:4317", description="Collector, OTLP over gRPC; https: with TLS."
    )
    authorities: Path | None = Field(
        default=None, description="Authorities of the collector's certificate; none: the system's."
    )
    sample_ratio: _Share = Field(
        default=0.01, description="Share of calls that are traced, where the caller says nothing."
    )
    follows_callers: bool = Field(
        default=True, description="A call is traced where its caller's span is, and only there."
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("endpoint: begins with http:// or https://")
        return self


class AuditSettings(Section):
    """The decision log."""

    is_enabled: bool = Field(default=True, description="Write a record of every answer.")
    mode: Literal["buffered", "strict"] = Field(
        default="buffered",
        description="strict: no answer before its record is on the disk; none when it cannot be.",
    )
    sink: Literal["file", "stdout", "otlp"] = Field(
        default="file",
        description="file: in the state folder; stdout: beside the log; otlp: to otel.endpoint.",
    )
    capacity: PositiveInt = Field(
        default=65_536, description="Buffered: records waiting before some are dropped."
    )
    patience_s: PositiveFloat = Field(
        default=1.0, description="Strict: longest wait of a call for the disk."
    )
    max_file_bytes: PositiveInt = Field(
        default=64 * 1024 * 1024, description="Size at which a file is turned."
    )
    max_file_days: PositiveFloat = Field(default=1.0, description="Age at which a file is turned.")
    keep_count: Annotated[int, Field(ge=0)] = Field(default=8, description="Older files to keep.")
    keep_days: PositiveFloat | None = Field(
        default=None, description="Remove older files after so long; none: by their count only."
    )
    data_subject: Literal["hashed", "clear"] = Field(
        default="hashed", description="hashed: by a key that goes with the records it covers."
    )
    key_days: PositiveFloat = Field(
        default=30.0, description="Life of a key before the next one is begun."
    )
    keep_keys_days: PositiveFloat | None = Field(
        default=None,
        description=(
            "Keep keys at least so long after their life, for records kept elsewhere; none: as long"
            " as a file here needs them, with another sink than file for ever."
        ),
    )
    question: Literal["none", "digest", "facts"] = Field(
        default="digest",
        description="Of the question: nothing, a keyed digest, or all facts, which are personal.",
    )
    leave_out: tuple[str, ...] = Field(
        default=(),
        description="Fields to leave out, and facts, such as subject.birth_date.",
    )
    sampling: dict[str, _Share] = Field(
        default={},
        description="Share of records kept, by reason; permit: all permits not named.",
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        for name in self.leave_out:
            owner, _, fact = name.partition(".")
            if name not in OPTIONAL_FIELDS and not (owner in FACT_OWNERS and fact):
                fields = ", ".join(OPTIONAL_FIELDS)
                raise ValueError(
                    f"leave_out: {name!r} is none of {fields}, and no fact such as"
                    " subject.birth_date"
                )
        if self.mode == "strict" and self.sink != "file":
            raise ValueError("mode: strict needs the sink file, which can say what is durable")
        if self.mode == "strict" and self.sampling:
            raise ValueError("sampling: in strict mode every answer has its record")
        return self
