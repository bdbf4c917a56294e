"""State errors of the decision point: no question was answered, and callers must read that as no.

Plain classes, since exceptions travel through context managers and pickles.
"""

from __future__ import annotations


class DecisionPointError(Exception):
    """Base of what the decision point raises besides `RequestError`."""


class NotReadyError(DecisionPointError):
    """No policy set has been loaded yet. Wait for readiness."""


class NotYetThereError(DecisionPointError):
    """The ledger has not reached the position that the caller wants included.

    `position` is where it stands; ask again when it has moved on.
    """

    def __init__(self, position: int) -> None:
        super().__init__(f"the ledger stands at position {position}")
        self.position = position


class EvaluationFailedError(DecisionPointError):
    """A bug: evaluating raised. The cause is chained; its text must not reach the caller."""


class CacheMismatchError(DecisionPointError):
    """A bug, found by compare mode: the kept answer is not the one a fresh evaluation gives."""


class UnknownPolicySetError(DecisionPointError):
    """No policy set with this digest can be asked: it is not kept, or no longer compiles."""
