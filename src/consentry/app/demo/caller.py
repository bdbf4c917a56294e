"""A department's service: asks the sidecar over gRPC with the client library, nothing else.

Runs as a process of its own: `python -m consentry.app.demo.caller TARGET`. One line of JSON in is
one thing to do, one line out is what came of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from consentry.client import Client


def main() -> int:
    """Does what it is told until its input ends."""
    with Client(sys.argv[1]) as client:
        service = Service(client)
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = service.do(order["verb"], order["words"])
            except Exception as problem:  # noqa: BLE001 - the story tells it and ends
                answer = {"error": f"{type(problem).__name__}: {problem}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    return 0


class Service:
    """What a department can do."""

    def __init__(self, client: Client) -> None:
        self._client: Final = client
        self._verbs: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
            "hello": self._hello,
            "check": self._check,
            "apply": self._apply,
            "record": self._record,
            "reload": self._reload,
            "batch": self._batch,
            "measure": self._measure,
        }

    def do(self, verb: str, words: dict[str, Any]) -> dict[str, Any]:
        """One thing, and what came of it."""
        return self._verbs[verb](**words)
