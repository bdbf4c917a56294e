"""JSON from strangers, with one reading: no name twice, no number that is none, a bounded depth.

Source: RFC 8259, sections 4 and 6; RFC 8785 on why one reading matters to whoever signs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

JsonObject = Mapping[str, Any]


class BadJsonError(ValueError):
    """The bytes are not a JSON object, or have two readings; the text is for the caller."""


def parse_object(raw: bytes) -> JsonObject:
    """The object in `raw`; numbers with a fraction are decimals.

    Raises:
        BadJsonError: there is none.
    """
    try:
        found = json.loads(
            raw.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except BadJsonError:
        raise
    except RecursionError:
        raise BadJsonError("the body is nested too deep") from None
    except ValueError:
        raise BadJsonError("the body is not JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise BadJsonError("the body is not a JSON object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadJsonError("an object has a name twice")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise BadJsonError("NaN and Infinity are not JSON")
