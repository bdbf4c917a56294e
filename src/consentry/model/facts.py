"""What a condition can see: the one argument of every generated function.

The compiler writes loads against these members; the engine fills them. One instance serves one leaf
of one request and is reused from regime to regime and from asking to asking; it is the only mutable
value of the evaluation and never leaves it.

| in the language                  | in generated code                                         |
| -------------------------------- | --------------------------------------------------------- |
| `principal.id/.type/.roles`      | `f.principal_id`, `f.principal_kind`, `f.principal_roles` |
| `principal.controller`           | `f.principal_controller`                                  |
| `principal.X` (declared)         | `f.principal.get("X")`                                    |
| `subject.id`, `subject.X`        | `f.subject_id`, `f.subject.get("X")`                      |
| `controller.X`                   | `f.controller.get("X")`                                   |
| `recipient.X` (declared)         | `f.recipient.get("X")`                                    |
| `recipient.id/.roles/.country`   | `f.recipient_id`, `f.recipient_roles`, `f.recipient_country` |
| `resource.X`, `context.X`        | `f.resource.get("X")`, `f.context.get("X")`               |
| `resource.id`                    | `f.resource_id`                                           |
| `signal.X`                       | `f.signal.get("X")`                                       |
| `resource.collected_at/_for/_on` | `f.collected_at_us`, `f.collected_for`, `f.collected_on`  |
| `action`, `channel`, `basis`     | `f.action`, `f.channel`, `f.basis` (None: not said)       |
| `data`, `purpose`                | `f.leaf` (DataNode), `f.purpose` (PurposeNode)            |
| `now`                            | `f.now_us`                                                |
| `consent.X`                      | `f.standing` (None: asked without one), `f.state`         |
| `consented(P, q, …)`             | `f.consented(purpose_index, qualities)`                   |
| `rights.X`, `rights.X_at`        | `f.right("X")` -> RightState                              |

`f.changes_at(us)` notes that the answer may change at that instant; operators that compare with
`now` call it. Empty role sets mean *not said* and read as None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from consentry.model.consent import (
    ConsentQuery,
    ConsentState,
    ConsentView,
    RightState,
    Standing,
    Track,
)
from consentry.model.request import NO_ATTRIBUTES
from consentry.model.trees import DataNode, PurposeNode
from consentry.model.tri import Tri
from consentry.model.values import Value

_NO_STATE: Final = ConsentState()
_NOT_IN_FORCE: Final = RightState()
_TRACKS: Final[Mapping[str, Track]] = {track.value: track for track in Track}


class Facts:
    """The facts of one question about one leaf; see the module's table."""

    __slots__ = (
        "action",
        "basis",
        "channel",
        "collected_at_us",
        "collected_for",
        "collected_on",
        "consented",
        "context",
        "controller",
        "horizon_us",
        "leaf",
        "now_us",
        "principal",
        "principal_controller",
        "principal_id",
        "principal_kind",
        "principal_roles",
        "purpose",
        "query",
        "recipient",
        "recipient_country",
        "recipient_id",
        "recipient_roles",
        "resource",
        "resource_id",
        "signal",
        "standing",
        "state",
        "subject",
        "subject_id",
        "view",
    )

    principal_id: str
    principal_kind: str
    principal_roles: tuple[str, ...] | None
    principal_controller: str | None
    principal: Mapping[str, Value]
    subject_id: str
    subject: Mapping[str, Value]
    controller: Mapping[str, Value]
    recipient_id: str | None
    recipient_roles: tuple[str, ...] | None
    recipient_country: str | None
    recipient: Mapping[str, Value]
    resource: Mapping[str, Value]
    resource_id: str | None
    collected_at_us: int | None
    collected_for: tuple[str, ...] | None
    collected_on: str | None
    context: Mapping[str, Value]
    signal: Mapping[str, Value]
    action: str
    channel: str | None
    basis: str | None
    leaf: DataNode
    purpose: PurposeNode
    now_us: int
    horizon_us: int | None
    standing: Standing | None
    state: ConsentState
    query: ConsentQuery
    view: ConsentView
    consented: Callable[[int, frozenset[str]], Tri]

    def __init__(self) -> None:
        self.principal = self.subject = self.controller = NO_ATTRIBUTES
        self.recipient = self.resource = self.context = self.signal = NO_ATTRIBUTES
        self.recipient_id = self.recipient_roles = self.recipient_country = None
        self.principal_roles = self.principal_controller = self.resource_id = None
        self.collected_at_us = self.collected_for = self.collected_on = None
        self.channel = self.basis = self.standing = self.horizon_us = None
        self.state = _NO_STATE

    def for_use(self) -> Facts:
        """New facts that hold what these do of who asks, what for, over what and to whom.

        The person, the record, the context, signals and what the ledger says are left out.
        """
        # PERF: one row of loads and stores; `__init__` and a second row cost twice as much.
        new = Facts.__new__(Facts)
        new.principal_id, new.principal_kind = self.principal_id, self.principal_kind
        new.principal_roles = self.principal_roles
        new.principal_controller = self.principal_controller
        new.principal, new.controller = self.principal, self.controller
        new.recipient_id, new.recipient_roles = self.recipient_id, self.recipient_roles
        new.recipient_country, new.recipient = self.recipient_country, self.recipient
        new.action, new.channel, new.purpose = self.action, self.channel, self.purpose
        new.leaf = self.leaf
        new.subject = new.resource = new.context = new.signal = NO_ATTRIBUTES
        new.resource_id = new.collected_at_us = new.collected_for = new.collected_on = None
        new.basis = new.standing = new.horizon_us = None
        new.state = _NO_STATE
        return new

    def changes_at(self, at_us: int) -> None:
        """Note that what was read so far may differ from `at_us` (microseconds) on."""
        if at_us > self.now_us and (self.horizon_us is None or at_us < self.horizon_us):
            self.horizon_us = at_us

    def right(self, track: str) -> RightState:
        """The state of `rights.<track>` for this leaf, regime and purpose."""
        if not self.view.has_rights:
            return _NOT_IN_FORCE
        state = self.view.right(_TRACKS[track], self.query)
        if state.changes_at_us is not None:
            self.changes_at(state.changes_at_us)
        return state
