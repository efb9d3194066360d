"""The algorithms offered to each kind of phone."""

from __future__ import annotations

import pytest

from router.sip.digest_choice import algorithms_for

BOTH = ("SHA-256", "MD5")


@pytest.mark.parametrize(
    ("user_agent", "offered"),
    [
        ("baresip v1.0.0 (x86_64/linux)", ("MD5",)),
        ("baresip v3.9.0 (x86_64/Linux)", ("MD5",)),
        ("baresip v3.11.0 (x86_64/Linux)", ("MD5",)),
        ("baresip v3.12.1 (x86_64/Linux)", BOTH),
        ("baresip v4.0.0", BOTH),
        ("pyVoIP 1.6.8", ("MD5",)),
        ("SIPp/Linux", ("MD5",)),
        ("Asterisk PBX 20.1", ("MD5",)),
        ("Linphone/5.1", BOTH),
        ("PJSUA2", BOTH),
        ("x" * 5000, BOTH),
        ("", ("MD5", "SHA-256")),
        (None, ("MD5", "SHA-256")),
    ],
)
def test_algorithms(user_agent: str | None, offered: tuple[str, ...]) -> None:
    assert algorithms_for(user_agent) == offered
