"""What all sections of the settings share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen, and without a key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
