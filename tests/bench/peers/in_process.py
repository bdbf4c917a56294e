"""An engine that is a Python package, in a process of its own: `start` it, then ask for rounds.

    python in_process.py cedar|casbin POLICY_FILE MODEL_FILE QUESTION_JSON EVALUATIONS

Prints `true` or `false`, the answer; then, for each line it reads, microseconds per decision. Runs
in the peers' own environment, so it imports nothing of the project.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def cedar(policy: str, question: dict[str, Any]) -> Callable[[], bool]:
    """Cedar by cedarpy, with policies and entities parsed once, as it advises."""
    import cedarpy  # type: ignore[import-not-found]  # noqa: PLC0415

    role, person = (
        {"type": "Role", "id": question["role"]},
        {"type": "User", "id": question["id"]},
    )
    known = [
        {"uid": role, "attrs": {}, "parents": []},
        {"uid": person, "attrs": {}, "parents": [role]},
    ]
    policies = cedarpy.PolicySet.from_str(policy)
    entities = cedarpy.Entities.from_json_str(json.dumps(known))
    request = {
        "principal": f'User::"{question["id"]}"',
        "action": 'Action::"read"',
        "resource": f'Category::"{question["category"]}"',
        "context": {key: question[key] for key in ("purpose", "region", "consent")},
    }

    def decide() -> bool:
        return bool(cedarpy.is_authorized(request, policies, entities).allowed)

    return decide


def casbin(policy: str, model: str, question: dict[str, Any]) -> Callable[[], bool]:
    """Casbin's enforcer."""
    import casbin as library  # type: ignore[import-not-found]  # noqa: PLC0415

    enforcer = library.Enforcer(model, policy)
    words = [question[key] for key in ("role", "category", "action", "purpose", "region")]
    words.append("yes" if question["consent"] else "no")

    def decide() -> bool:
        return bool(enforcer.enforce(*words))

    return decide


def main() -> None:
    """Answers once, then measures on demand."""
    kind, policy, model, question, evaluations = sys.argv[1:]
    facts, count = json.loads(question), int(evaluations)
    if kind == "cedar":
        decide = cedar(Path(policy).read_text(), facts)
    else:
        decide = casbin(policy, model, facts)
    print(json.dumps(decide()), flush=True)
    for _ in sys.stdin:
        began = time.process_time_ns()
        for _ in range(count):
            decide()
        print((time.process_time_ns() - began) / 1000 / count, flush=True)


if __name__ == "__main__":
    main()
