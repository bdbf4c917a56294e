"""What stops a search that tries everything: a fact of which there is more to try than can be."""

from __future__ import annotations


class EndlessError(Exception):
    """A fact has more values that matter than can be tried; the message says why."""
