"""Signatures, held against another program and against the specification's own example."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from config.webhooks import signing_keys
from tickets.webhook_signing import headers


def now() -> float:
    """The other program believes no message of another hour, and asks the clock itself."""
    return datetime.now(UTC).timestamp()


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def test_the_example_of_the_libraries() -> None:
    """The vector that the reference libraries of Standard Webhooks test themselves with."""
    (key,) = signing_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.7, b'{"test": 2432232314}')
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(
    key=st.binary(min_size=24, max_size=64),
    value=st.dictionaries(st.text(), st.text() | st.integers(), max_size=5),
)
def test_another_program_takes_it(key: bytes, value: dict[str, object]) -> None:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    made = headers([key], "msg_c_1_call-ended", now(), body)
    assert Webhook(secret_of(key)).verify(body, made) == json.loads(body)


def test_while_a_secret_is_exchanged_both_are_good() -> None:
    old, new, other = (bytes([n]) * 32 for n in (1, 2, 3))
    made = headers([new, old], "msg_c_1_call-ended", now(), b"{}")
    for key in (old, new):
        Webhook(secret_of(key)).verify(b"{}", made)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(other)).verify(b"{}", made)


@pytest.mark.parametrize("change", ["webhook-id", "webhook-timestamp", "body"])
def test_whatever_is_changed_shows(change: str) -> None:
    made = headers([b"k" * 32], "msg_c_1_call-ended", now(), b"{}")
    body = b"{ }" if change == "body" else b"{}"
    if change == "webhook-timestamp":
        made[change] = str(int(made[change]) - 1)
    elif change == "webhook-id":
        made[change] = "msg_c_2_call-ended"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(b"k" * 32)).verify(body, made)
