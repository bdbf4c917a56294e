"""Our engine in a process of its own, on the policy that all engines share.

python -m tests.bench.peers.ours_in_process RULES HAS_CONSENT EVALUATIONS
"""

from __future__ import annotations

import json
import sys
import time

from consentry.compiler.compile import compile_policies
from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Source
from consentry.engine.evaluate import evaluate
from consentry.engine.link import link
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from consentry.model.decision import Effect
from consentry.pdp.sources import read_packs
from consentry.server.codec import ProtoCodec
from tests.bench.equal_work import PERSON, Question, consentry_files, consentry_request

NOW_US = 1_780_000_000_000_000


def main() -> None:
    """Answers once, then measures on demand."""
    rules, has_consent, evaluations = (json.loads(word) for word in sys.argv[1:])
    question = Question(rules, has_consent=has_consent)
    files = [Source(name, text) for name, text in consentry_files(rules).items()]
    result = compile_policies(files, read_packs())
    if result.program is None:
        raise SystemExit("the equal policy does not compile")
    linked = link(result.program)
    raw = consentry_request(question).SerializeToString()
    request = ProtoCodec().decode_check(raw).request
    event = ConsentEvent(
        kind=EventKind.GIVEN,
        data_subject_id=PERSON,
        scope=Scope(purpose=question.purpose),
        happened_at_us=NOW_US - 1_000_000,
        received_at_us=NOW_US - 1_000_000,
        position=1,
        event_id="event-1",
        proof=Proof(method="form"),
    )
    events = (event,) if has_consent else ()
    view = SubjectView(events, revision=len(events), position=1, read_at_us=NOW_US)
    effect = evaluate(linked, request, view, NOW_US).effect
    print(json.dumps(effect is Effect.PERMIT), flush=True)
    for _ in sys.stdin:
        began = time.process_time_ns()
        for _ in range(evaluations):
            evaluate(linked, request, view, NOW_US)
        print((time.process_time_ns() - began) / 1000 / evaluations, flush=True)


if __name__ == "__main__":
    main()
