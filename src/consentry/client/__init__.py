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

`AsyncClient` is the same for asyncio; `consentry.client.interceptor` and `consentry.client.asgi`
check before a handler runs; `consentry.client.testing` has a sidecar for tests.
"""

from consentry.client.aio import AsyncClient
from consentry.client.apply import apply
from consentry.client.cache import CacheOptions
from consentry.client.calls import StreamQuestion
from consentry.client.client import Client
from consentry.client.decision import Decision, FieldDecision, Mask, Obligation, Reason
from consentry.client.errors import ConsentryError
from consentry.client.events import event
from consentry.client.metrics import ClientMetrics, Counts
from consentry.client.plan import Plan, SqlTable
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
from consentry.client.transport import NO_RETRY, Retry, Tls

__all__ = [
    "NO_RETRY",
    "AsyncClient",
    "CacheOptions",
    "Client",
    "ClientMetrics",
    "ConsentryError",
    "Counts",
    "Decision",
    "FieldDecision",
    "Mask",
    "Obligation",
    "Plan",
    "Principal",
    "Reason",
    "Recipient",
    "Resource",
    "Retry",
    "SqlTable",
    "StreamQuestion",
    "Subject",
    "Tls",
    "agent",
    "apply",
    "event",
    "job",
    "person",
    "question",
    "service",
]
