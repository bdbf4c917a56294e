"""The request that is timed: the newsletter mailer of the shop in policies/, in season."""

from __future__ import annotations

from consentry.v1 import authorization_pb2, consent_pb2, decision_pb2

DATA_SUBJECT = "bench-customer-1"
SPARE_FIELD = "resource"


def newsletter_check(number: int = 0) -> bytes:
    """A question that is permitted on consent; `number` makes its bytes differ, not its answer."""
    request = authorization_pb2.CheckRequest(
        principal=decision_pb2.Principal(id="campaign-mailer", type="service", roles=["marketer"]),
        action="contact",
        data=["customer.contact.email"],
        subject=decision_pb2.DataSubject(
            id=DATA_SUBJECT,
            attributes=[
                decision_pb2.Attribute(name="country", value=decision_pb2.Value(text="DE")),
                decision_pb2.Attribute(name="born", value=decision_pb2.Value(date="1990-04-01")),
            ],
        ),
        purpose="marketing.email",
        channel="email",
        resource=decision_pb2.Resource(id=f"record-{number:08d}"),
        context=[
            decision_pb2.Attribute(name="campaign", value=decision_pb2.Value(text="autumn-2026"))
        ],
    )
    return request.SerializeToString(deterministic=True)


def newsletter_consent() -> consent_pb2.ConsentEvent:
    """The consent that the question rests on."""
    return consent_pb2.ConsentEvent(
        kind=consent_pb2.EVENT_KIND_GIVEN,
        subject=DATA_SUBJECT,
        scope=consent_pb2.ConsentScope(purpose="marketing"),
        notice="2026-03",
        proof=consent_pb2.Proof(method="web form"),
        idempotency_key="bench-consent-1",
    )
