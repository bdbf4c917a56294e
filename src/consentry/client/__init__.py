"""What a microservice imports. Needs only grpcio and protobuf.

    from consentry.client import Client, apply, event, service

    with Client("unix:/run/consentry/consentry.sock") as consentry:
        decision = consentry.check(
            principal=service("campaign-mailer", roles=["marketer"]),
            action="contact",
            data=["customer.contact.email"],
            subject="customer-1234",
            purpose="marketing.email",
            channel="email",
        )
        record = apply(decision, {"email": "ada@example.org"})
        consentry.record_consent(event("withdrawn", "customer-1234", purpose="marketing.email"))

Fail closed: whatever goes wrong, the answer is *denied*, with the reason `unavailable` and the
error beside it; `on_error="raise"` raises instead.
"""

from consentry.client.apply import apply
from consentry.client.client import Client, ConsentryError
from consentry.client.decision import Decision, FieldDecision, Mask, Reason
from consentry.client.events import event
from consentry.client.questions import (
    Principal,
    Recipient,
    Resource,
    Subject,
    agent,
    job,
    person,
    question,
    service,
)

__all__ = [
    "Client",
    "ConsentryError",
    "Decision",
    "FieldDecision",
    "Mask",
    "Principal",
    "Reason",
    "Recipient",
    "Resource",
    "Subject",
    "agent",
    "apply",
    "event",
    "job",
    "person",
    "question",
    "service",
]
