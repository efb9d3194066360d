"""The signature of a message, as Standard Webhooks writes it (version 1: HMAC-SHA256). Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence


def headers(keys: Sequence[bytes], message: str, at: float, body: bytes) -> dict[str, str]:
    """The three headers of an attempt at ``at`` (unix seconds). Several keys make several
    signatures: a receiver that knows one of them is content."""
    stamp = str(int(at))
    signed = b".".join((message.encode(), stamp.encode(), body))
    signatures = (
        base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys
    )
    return {
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
