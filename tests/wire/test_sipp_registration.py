"""Phones that register: SIPp with its own digest (MD5), over UDP and TCP."""

from __future__ import annotations

import pytest

from tests.wire import sipp
from tests.wire.raw_sip import Peer
from tests.wire.system import STRANGER, System

PHONE = "127.0.0.5"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_phone_registers_with_its_password(system: System, transport: str) -> None:
    login = "101", system.password("101")
    sipp.run(system, "register", host=PHONE, transport=transport, keys={"user": "101"}, login=login)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("user", ["101", "nobody"], ids=["wrong-password", "unknown-user"])
def test_wrong_credentials_are_refused(system: System, user: str, transport: str) -> None:
    sipp.run(
        system,
        "register_refused",
        host=PHONE,
        transport=transport,
        keys={"user": user},
        login=(user, "not-the-password"),
    )


def test_several_phones_of_one_agent(system: System) -> None:
    login = "102", system.password("102")
    sipp.run(system, "register_several", host=PHONE, keys={"user": "102"}, login=login)


def test_an_unknown_user_looks_like_a_wrong_password(system: System) -> None:
    """Not only the status: line, headers and their order are the same, so is the challenge."""
    seen = []
    for user in ("101", "nobody", "102"):
        with Peer(system.sip, STRANGER) as peer:
            first = peer.register(user)
            second = peer.register(user, password="wrong", challenge=first)
            assert (first.status, second.status) == (401, 403)
            seen.append((first.shape(), second.shape()))
    assert seen[0] == seen[1] == seen[2]


def test_the_password_of_one_agent_is_no_key_to_another(system: System) -> None:
    with Peer(system.sip, PHONE) as peer:
        first = peer.register("102", password="")
        done = peer.register("102", login="101", password=system.password("101"), challenge=first)
        assert done.status == 403
