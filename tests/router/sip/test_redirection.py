"""3xx: where a phone sends a call on, whatever it writes (RFC 3261 8.1.3.4, 21.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.sip.effects import Refused
from router.sip.message import Headers, Request, Response, Uri
from router.sip.redirection import CONTACTS_MAX, contacts_of
from tests.router.sip.world import Peer, endpoint

ASKED = "sip:callee@192.0.2.1:5060"


def moved(*contacts: str, status: int = 302) -> Response:
    return Response(status, "", Headers(("Contact", each) for each in contacts))


def told(*contacts: str, status: int = 302) -> tuple[str, ...]:
    return contacts_of(moved(*contacts, status=status), ASKED)


def test_the_most_preferred_contact_comes_first() -> None:
    assert told("<sip:low@h>;q=0.1, <sip:high@h>;q=0.9", "<sip:none@h>", "<sip:mid@h>;q=0.5") == (
        "sip:none@h",
        "sip:high@h",
        "sip:mid@h",
        "sip:low@h",
    )


def test_equals_stay_as_they_came() -> None:
    assert told("<sip:b@h>;q=0.5", "<sip:a@h>;q=0.5") == ("sip:b@h", "sip:a@h")


@pytest.mark.parametrize(("status", "followed"), [(300, 1), (301, 1), (302, 1), (305, 0), (380, 0)])
def test_only_another_address_is_followed(status: int, followed: int) -> None:
    assert len(told("<sip:a@h>", status=status)) == followed


@pytest.mark.parametrize("status", [181, 404, 486, 603])
def test_another_response_sends_nobody_on(status: int) -> None:
    assert told("<sip:a@h>", status=status) == ()


@pytest.mark.parametrize(
    "contact",
    [
        "*",
        "",
        ",,,",
        "<>",
        "<sip:>",
        "<sip:a@h",
        "sip:a@h h",
        "<sip:a@h>;q=2",
        "<sip:a@h>;q=high",
        '"unclosed <sip:a@h>',
        "<sip:a@[::1>",
        "<sip:a@h:99999>",
        "<mailto:a@h>",
        "<http://h/>",
        "<urn:service:sos>",
        f"<{ASKED}>",
        "<sip:callee@192.0.2.1:5060;unknown=1>",
    ],
)
def test_what_is_no_other_address_is_left_out(contact: str) -> None:
    assert told(contact) == ()
    assert told(contact, "<sip:good@h>")[-1:] == ("sip:good@h",)


def test_no_contact_at_all() -> None:
    assert told() == ()


def test_a_telephone_number_is_handed_on() -> None:
    assert told("<tel:+371-2000-0000;phone-context=h>") == ("tel:+371-2000-0000;phone-context=h",)


def test_header_fields_in_a_uri_are_not_ours_to_obey() -> None:
    assert told("<sip:a@h;transport=tcp?Replaces=1%40h&Route=%3Csip:evil%3E>") == (
        "sip:a@h;transport=tcp",
    )


def test_the_same_address_twice_counts_once() -> None:
    assert told("<sip:a@h>", "<sip:a@H>", "<sips:a@h>") == ("sip:a@h", "sips:a@h")


def test_fifty_contacts_are_cut_to_the_best() -> None:
    found = told(", ".join(f"<sip:n{n}@h>;q=0.{n:02}" for n in range(50)))
    assert found == tuple(f"sip:n{n}@h" for n in range(49, 49 - CONTACTS_MAX, -1))


def test_the_call_layer_hears_where_to() -> None:
    peer = Peer(endpoint("us", "198.51.100.1"))
    target = peer.endpoint.target_of(ASKED)
    peer.take(peer.endpoint.invite("out", target, b"offer", peer.now, caller="4400"))
    peer.reply(302, ("Contact", f"<sip:b@h>;q=0.2, <{ASKED}>"), ("Contact", "<sip:a@h>, broken"))
    refused = peer.events[-1]
    assert isinstance(refused, Refused)
    assert (refused.status, refused.contacts) == (302, ("sip:a@h", "sip:b@h"))
    acknowledged = [m.method for m in peer.sent if isinstance(m, Request)]
    assert acknowledged == ["INVITE", "ACK"]


def test_a_redirection_that_crosses_our_cancel_is_not_followed() -> None:
    """Nobody is called who was hung up on."""
    peer = Peer(endpoint("us", "198.51.100.1"))
    target = peer.endpoint.target_of(ASKED)
    peer.take(peer.endpoint.invite("out", target, b"offer", peer.now, caller="4400"))
    invite = peer.request("INVITE")
    peer.reply(180, request=invite)
    peer.take(peer.endpoint.hang_up("out", peer.now))
    peer.reply(302, ("Contact", "<sip:a@h>"), request=invite)
    assert not [e for e in peer.events if isinstance(e, Refused) and e.contacts]


@given(st.lists(st.text(alphabet=' "<>@:;,=?*.[]%\\sipte01q', max_size=40), max_size=60))
def test_whatever_is_written_the_answer_is_bounded_and_readable(contacts: list[str]) -> None:
    found = told(*contacts)
    assert len(found) <= CONTACTS_MAX
    for text in found:
        assert Uri.parse(text).scheme in ("sip", "sips", "tel")
