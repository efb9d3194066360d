"""Numbers, people, trunks and our own addresses."""

from __future__ import annotations

import pytest

from config.errors import PeerError
from config.settings import Media, Number, Settings, Sip
from engine.places import Addresses
from router.inputs import Destination
from router.sip.effects import Flow
from tests.engine.desk import SETTINGS, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("dialled", "to"),
    [
        ("37167000000", Destination("flow", "main")),
        ("+37167000000", Destination("flow", "main")),
        ("+37167000001", Destination("queue", "support")),
        ("37167000001", Destination("queue", "support")),
        ("600", Destination("queue", "sales")),
        ("6000", Destination("nowhere")),
        ("", Destination("nowhere")),
        ("+", Destination("nowhere")),
        ("*", Destination("nowhere")),
    ],
)
def test_a_number_is_known_with_and_without_its_plus(
    desk: Desk, dialled: str, to: Destination
) -> None:
    assert desk.directions.of_number(dialled) == to


def test_a_star_takes_every_other_number(desk: Desk) -> None:
    numbers = (*SETTINGS.numbers, Number(number="*", queue="support"))
    desk.directions.reload(SETTINGS.model_copy(update={"numbers": numbers}))
    assert desk.directions.of_number("123456") == Destination("queue", "support")
    assert desk.directions.of_number("600") == Destination("queue", "sales")


@pytest.mark.parametrize(
    ("text", "to", "phones"),
    [
        ("support", Destination("queue", "support"), ()),
        ("queue:sales", Destination("queue", "sales"), ()),
        ("101", Destination("agent", "anna"), ("sip:101@192.0.2.50:5060",)),
        ("anna", Destination("agent", "anna"), ("sip:101@192.0.2.50:5060",)),
        ("102", Destination("agent", "boris"), ()),
        ("37167000000", Destination("flow", "main"), ()),
        ("+37167000000", Destination("flow", "main"), ()),
        ("+37255500", Destination("external", "+37255500"), ("trunk:out:+37255500",)),
        ("555", Destination("external", "555"), ("trunk:out:555",)),
        ("nobody", Destination("nowhere"), ()),
        ("", Destination("nowhere"), ()),
        ("*", Destination("nowhere"), ()),
        ("٣٤٥", Destination("nowhere"), ()),
        ("²", Destination("nowhere"), ()),
        ("1;phone-context=x", Destination("nowhere"), ()),
    ],
)
def test_what_a_target_means(
    desk: Desk, text: str, to: Destination, phones: tuple[str, ...]
) -> None:
    desk.phone.register_phone("101")
    assert desk.directions.resolve(text) == (to, phones)


def test_a_star_number_takes_no_outgoing_calls(desk: Desk) -> None:
    numbers = (*SETTINGS.numbers, Number(number="*", queue="support"))
    desk.directions.reload(SETTINGS.model_copy(update={"numbers": numbers}))
    assert desk.directions.resolve("555")[0] == Destination("external", "555")


def test_without_a_trunk_that_leads_out_nothing_goes_out(desk: Desk) -> None:
    desk.directions.reload(SETTINGS.model_copy(update={"trunks": SETTINGS.trunks[:1]}))
    assert desk.directions.resolve("+37255500") == (Destination("nowhere"), ())
    with pytest.raises(PeerError, match="trunk out has no outbound address"):
        desk.directions.target("", "trunk:out:+37255500")
    with pytest.raises(PeerError, match="trunk telia has no outbound address"):
        desk.directions.target("", "trunk:telia:+37255500")


def test_a_trunks_target_has_its_address_its_path_and_its_password(desk: Desk) -> None:
    target, credentials, caller = desk.directions.target("", "trunk:out:+37255500")
    assert target.uri == "sip:+37255500@198.51.100.7:5070;transport=tcp"
    assert target.flow == Flow("tcp", "198.51.100.7", 5070, -1)
    assert credentials is not None
    assert (credentials.user, credentials.password, caller) == ("desk", "secret", "")


def test_a_phones_target_takes_the_path_of_its_registration(desk: Desk) -> None:
    uri = desk.phone.register_phone("101", "sip:101@10.0.0.7:5062", host="203.0.113.4")
    target, credentials, _ = desk.directions.target("anna", uri)
    assert (target.uri, target.flow.host, credentials) == (uri, "203.0.113.4", None)
    with pytest.raises(PeerError, match="not registered any more"):
        desk.directions.target("boris", uri)
    with pytest.raises(PeerError, match="not registered any more"):
        desk.directions.target("", uri)


def test_the_codecs_of_a_call_are_its_trunks(desk: Desk) -> None:
    call = desk.call()
    assert desk.directions.codecs(call) == ("PCMA", "PCMU")
    call.trunk = "out"
    assert desk.directions.codecs(call) == ("PCMU",)
    call.trunk = ""
    assert desk.directions.codecs(call) == ("PCMA", "PCMU")


# --- our own addresses ----------------------------------------------------------------------

LISTENERS = [("udp", "127.0.0.1", 5060), ("tcp", "127.0.0.2", 5070), ("udp", "0.0.0.0", 5080)]
LISTENERS6 = [("udp", "::1", 5061), ("tcp", "::1", 5071)]


def addresses(also: list[tuple[str, str, int]] | None = None, **changes: object) -> Addresses:
    return Addresses(Settings.model_validate(changes), LISTENERS + (also or []))


def test_the_contact_is_the_listener_that_the_peer_reaches() -> None:
    here = addresses()
    assert here.sip_contact(Flow("udp", "192.0.2.9", 5060)) == ("127.0.0.1", 5060)
    assert here.sip_contact(Flow("tcp", "192.0.2.9", 5060, 3, 1)) == ("127.0.0.2", 5070)
    assert here.sip_contact(Flow("tcp", "192.0.2.9", 5060, -1, 0)) == ("127.0.0.2", 5070)


def test_a_listener_on_any_address_shows_the_one_that_leads_to_the_peer() -> None:
    assert addresses().sip_contact(Flow("udp", "127.0.0.1", 5060, 0, 2)) == ("127.0.0.1", 5080)


def test_an_advertised_address_wins() -> None:
    here = addresses(sip=Sip(advertise="198.51.100.1"), media=Media(advertise="198.51.100.2"))
    assert here.sip_contact(Flow("udp", "192.0.2.9", 5060)) == ("198.51.100.1", 5060)
    assert here.media_host("192.0.2.9") == "198.51.100.2"


def test_media_stand_on_their_host_or_on_the_way_to_the_peer() -> None:
    assert addresses(media=Media(host="127.0.0.5")).media_host("192.0.2.9") == "127.0.0.5"
    assert addresses().media_host("127.0.0.9") == "127.0.0.1"
    assert addresses().media_host("::1") == "::1"
    assert addresses().media_host("no-address") == "127.0.0.1"


def test_a_peer_of_ipv6_is_shown_addresses_of_ipv6() -> None:
    """What is configured for IPv4 says nothing to it, and the other way round."""
    here = addresses(LISTENERS6, sip=Sip(advertise="198.51.100.1"), media=Media(host="127.0.0.1"))
    assert here.sip_contact(Flow("udp", "::1", 9, 0, 3)) == ("::1", 5061)
    assert here.sip_contact(Flow("udp", "::1", 9)) == ("::1", 5061), "dialled: the transport's way"
    assert here.sip_contact(Flow("tcp", "::1", 9, -1)) == ("::1", 5071)
    assert here.sip_contact(Flow("udp", "192.0.2.9", 9, 0, 3)) == ("198.51.100.1", 5060)
    assert here.media_host("::1") == "::1"
    out = addresses(media=Media(host="192.0.2.1", host6="2001:db8::1", advertise="198.51.100.2"))
    assert out.media_host("2001:db8::9") == "2001:db8::1"
    assert out.media_host("192.0.2.9") == "198.51.100.2"
    named = addresses(LISTENERS6, sip=Sip(advertise="sip.example"))
    assert named.sip_contact(Flow("udp", "::1", 9, 0, 3)) == ("sip.example", 5061)


def test_without_a_listener_of_the_family_the_flows_own_is_shown() -> None:
    assert addresses().sip_contact(Flow("udp", "::1", 9)) == ("127.0.0.1", 5060)


@pytest.mark.parametrize(
    ("policy", "contacts", "target"),
    [
        ("never", ("sip:102@192.0.2.9",), ""),
        ("extensions", ("sip:102@offhook.local",), "extension:102:sip:102@192.0.2.50:5060"),
        ("extensions", ("sip:+37255500@offhook.local",), ""),
        ("extensions", ("sip:199@elsewhere",), ""),
        ("anywhere", ("sip:+37255500@offhook.local;user=phone",), "trunk:out:+37255500"),
        ("anywhere", ("tel:+37255500;ext=1",), "trunk:out:+37255500"),
        ("anywhere", ("mailto:x@y", "sip:102@a"), "extension:102:sip:102@192.0.2.50:5060"),
        ("anywhere", ("sip:elsewhere", "<>", "", "sip:@"), ""),
        ("anywhere", ("sip:101@offhook.local",), ""),  # an extension without a phone
    ],
)
def test_where_a_phone_may_send_an_offer_on(
    desk: Desk, policy: str, contacts: tuple[str, ...], target: str
) -> None:
    agents = tuple(
        agent.model_copy(update={"redirects": policy}) if agent.id == "anna" else agent
        for agent in SETTINGS.agents
    )
    desk.directions.reload(SETTINGS.model_copy(update={"agents": agents}))
    desk.phone.register_phone("102")
    assert desk.directions.follow("anna", contacts) == target
    if target.startswith("extension"):
        assert desk.directions.target("anna", target)[0].uri.startswith("sip:102@")
