"""All of a sidecar but its doors, whose decision log is kept as a test wants it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from consentry.app.settings import Settings
from consentry.app.wiring import Application
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2

POLICY = """\
mission "A shop" { controller "Shop GmbH" in "DE" }
data customer { email name }
attributes subject { tier: text }
purpose mailing "Our letters" { basis consent  purpose news "News" }
permit mail "The mailer writes to people who asked" {
    who service "mailer"  may read  data customer.email  for mailing
    when subject.tier != "blocked"
}
permit name "Names of those who asked, too" {
    who service "mailer"  may read  data customer.name  for mailing
    when subject.tier == "gold"
}
"""


def question(person: str = "ada", **facts: Any) -> wire.CheckRequest:
    return wire.CheckRequest(
        principal=decision_pb2.Principal(id=facts.pop("principal", "mailer"), type="service"),
        action="read",
        data=facts.pop("data", ["customer.email"]),
        subject=decision_pb2.DataSubject(
            id=person,
            attributes=[
                decision_pb2.Attribute(
                    name="tier", value=decision_pb2.Value(text=facts.pop("tier", "silver"))
                )
            ],
        ),
        purpose=facts.pop("purpose", "mailing.news"),
        **facts,
    )


class Sidecar:
    """A sidecar that nobody calls over a wire."""

    def __init__(self, folder: Path, **audit: Any) -> None:
        self.state = folder / "state"
        (folder / "policies").mkdir(exist_ok=True)
        self.policy = folder / "policies" / "shop.policy"
        self.policy.write_text(POLICY)
        self.application = Application(
            Settings(
                policies={"path": folder / "policies"},  # type: ignore[arg-type]  # as of a file
                state={"path": self.state, "reserve_bytes": 0},  # type: ignore[arg-type]
                audit=audit,  # type: ignore[arg-type]
            )
        )
        assert not self.application.load_first().is_refused

    def ask(self, asked: wire.CheckRequest, caller: str = "") -> str:
        raw = asked.SerializeToString()
        answer = self.application.point.check_bytes(raw, correlation_id="req", caller=caller)
        return wire.CheckResponse.FromString(answer).moment.decision_id

    def says(self, kind: EventKind, person: str = "ada") -> None:
        event = ConsentEvent(
            kind=kind,
            data_subject_id=person,
            scope=Scope(purpose="mailing"),
            happened_at_us=1,
            received_at_us=1,
            position=0,
            event_id="",
            idempotency_key=f"{kind}-{person}",
            proof=Proof(method="form"),
        )
        self.application.ledger.record([event])


@contextmanager
def sidecar_in(folder: Path, **audit: Any) -> Iterator[Sidecar]:
    sidecar = Sidecar(folder, **audit)
    try:
        yield sidecar
    finally:
        sidecar.application.close()
