"""What all sections of the settings share."""
"""What all sections of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen, and without a key that it does not know."""
    """Frozen once read; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
