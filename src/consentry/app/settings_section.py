"""What all sections of the settings share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen, without a key that it does not know, and without a number that is none: an endless
    time would be a limit that never holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
