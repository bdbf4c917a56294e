"""Messages as a consent platform signs them."""

from __future__ import annotations

import base64
import hashlib
import hmac


def sign(secret: bytes, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of a message signed with a shared secret.

    Source: Standard Webhooks 1.0, "Symmetric".
    """
    signed = f"{message_id}.{seconds}.".encode() + body
    made = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{made}",
    }
