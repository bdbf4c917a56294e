"""Whether the scope of an event reaches a use of a field: by purpose, and by everything else.

Two readings of the same scope. An event that narrows (a withdrawal, an objection) speaks of every
use it *may touch*: what the request leaves unsaid counts as touched. An event that widens (a
consent, a lifted objection) speaks only of what it *covers*: what the request leaves unsaid is not
covered. So a missing fact can only narrow.
"""

from __future__ import annotations

from consentry.model.consent import ConsentQuery, RecipientScope, Scope
from consentry.model.trees import DataNode, is_within


def reaches_purpose(scope: Scope, query: ConsentQuery, *, is_widening: bool = False) -> bool:
    """Whether the scope speaks of the query's purpose, under the query's law.

    A purpose reaches itself and everything below, by its path in the tree or by a standard data-use
    key; a tag reaches every purpose that carries it and, of an event that narrows, every action
    that does; neither reaches every purpose. Where a path of the author's and a standard key read
    the same, an event that widens means the path alone.
    """
    if scope.regime and scope.regime != query.regime:
        return False
    if scope.purpose:
        if scope.purpose in query.purpose_lineage:
            return True
        if is_widening and scope.purpose in query.declared:
            return False
        return any(is_within(use, scope.purpose) for use in query.purpose.uses)
    if not scope.tag or scope.tag in query.purpose.tags:
        return True
    return not is_widening and scope.tag in query.action_tags


def lies_below(scope: Scope, query: ConsentQuery) -> bool:
    """Whether the scope speaks of a purpose strictly below the query's, under its law."""
    if scope.regime and scope.regime != query.regime:
        return False
    return scope.purpose.startswith(query.purpose.path + ".")


def may_touch(scope: Scope, query: ConsentQuery) -> bool:
    """The narrowing reading of data, channels, recipients and controller."""
    if scope.controller and query.controller not in (None, scope.controller):
        return False
    if scope.channels and query.channel is not None and query.channel not in scope.channels:
        return False
    if scope.data and not any(_data_may_touch(entry, query.leaf) for entry in scope.data):
        return False
    return not scope.recipients or any(
        _recipient_may_touch(entry, query) for entry in scope.recipients
    )


def covers(scope: Scope, query: ConsentQuery) -> bool:
    """The widening reading of data, channels, recipients and controller."""
    if scope.controller and scope.controller != query.controller:
        return False
    if scope.channels and query.channel not in scope.channels:
        return False
    if scope.data and not covers_data(scope, query.leaf):
        return False
    return not scope.recipients or covers_recipient(scope, query)


def covers_data(scope: Scope, leaf: DataNode) -> bool:
    """Whether an entry names the field or a node above it, or entries hold all its categories.

    A field with two categories reveals another: one that holds the first says nothing of that.
    """
    if any(entry in leaf.lineage for entry in scope.data):
        return True
    return bool(leaf.categories) and all(
        any(is_within(key, entry) for entry in scope.data) for key in leaf.categories
    )


def has_recipient(query: ConsentQuery) -> bool:
    """Whether the request says anything about who receives the data."""
    return bool(query.recipient_id or query.recipient_roles or query.recipient_country)


def covers_recipient(scope: Scope, query: ConsentQuery) -> bool:
    """Whether an entry names the recipient by id, by role or by country."""
    return any(_is_recipient(entry, query) for entry in scope.recipients)


def _is_recipient(entry: RecipientScope, query: ConsentQuery) -> bool:
    if entry.id:
        return entry.id == query.recipient_id
    if entry.role:
        return entry.role in query.recipient_roles
    return bool(entry.country) and entry.country == query.recipient_country


def _recipient_may_touch(entry: RecipientScope, query: ConsentQuery) -> bool:
    if entry.id:
        return query.recipient_id in (None, entry.id)
    if entry.role:
        return not query.recipient_roles or entry.role in query.recipient_roles
    return query.recipient_country in (None, entry.country)


def _data_may_touch(entry: str, leaf: DataNode) -> bool:
    # A category below the field's own touches too: a field of `user.contact` may hold an address.
    return entry in leaf.lineage or any(
        is_within(key, entry) or is_within(entry, key) for key in leaf.categories
    )
