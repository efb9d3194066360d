"""Headers, URIs, values, building and encoding of messages."""

from __future__ import annotations

import pytest

from config.errors import MisuseError
from router.sip.message import (
    CSeq,
    Headers,
    NameAddr,
    ParseError,
    Request,
    Response,
    Uri,
    Via,
    mark_received,
    response_to,
)


def request(*headers: tuple[str, str], method: str = "INVITE", body: bytes = b"") -> Request:
    base = [
        ("Via", "SIP/2.0/UDP host.example.com;branch=z9hG4bK1;rport"),
        ("Via", "SIP/2.0/TCP [2001:db8::1]:5070;branch=z9hG4bK2"),
        ("Record-Route", "<sip:p1.example.com;lr>"),
        ("From", '"A" <sip:a@example.com>;tag=1'),
        ("To", "<sip:b@example.com>"),
        ("Call-ID", "x@y"),
        ("CSeq", f"7 {method}"),
    ]
    return Request(method, "sip:b@example.com", [*base, *headers], body)


# --- headers ---------------------------------------------------------------------------------


def test_names_are_canonical_whatever_their_spelling() -> None:
    headers = Headers([("v", "1"), ("VIA", "2"), ("call-id", "3"), ("x-mine", "4"), ("L", "5")])
    assert [name for name, _ in headers] == ["Via", "Via", "Call-ID", "X-Mine", "Content-Length"]
    assert headers.get("vIa") == "1"
    assert headers.get_all("via") == ["1", "2"]
    assert headers.get("Route") is None
    assert headers.get_all("Route") == []
    assert "X-MINE" in headers
    assert "Route" not in headers


def test_headers_change_in_place() -> None:
    headers = Headers([("A-1", "a"), ("B-1", "b"), ("A-1", "c")])
    copy = headers.copy()
    headers.set("a-1", "z")
    headers.add("C-1", "c")
    headers.prepend("D-1", "d")
    headers.replace_first("B-1", "y")
    headers.remove("C-1")
    assert list(headers) == [("D-1", "d"), ("A-1", "z"), ("B-1", "y")]
    headers.set("E-1", "e")
    assert headers.get("E-1") == "e"
    assert len(copy) == 3
    assert copy != headers
    with pytest.raises(KeyError):
        headers.replace_first("Nothing", "x")


def test_a_bad_header_name_is_refused() -> None:
    with pytest.raises(ParseError):
        Headers([("bad name", "x")])


def test_a_read_value_is_never_stale() -> None:
    message = request()
    assert message.to.tag is None
    message.headers.set("To", "<sip:b@example.com>;tag=9")
    assert message.to.tag == "9"
    assert message.via.branch == "z9hG4bK1"
    message.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK0")
    assert message.via.branch == "z9hG4bK0"
    assert len(message.vias) == 3


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:a@b>", "", "sip:a@b", {}),
        ("sip:a@b;tag=x", "", "sip:a@b", {"tag": "x"}),
        ("Anna Ozola <sip:a@b> ; Tag = x", "Anna Ozola", "sip:a@b", {"tag": "x"}),
        (
            '"O\\"Neil, \\\\" <sip:a@b;x=<y>', None, None, None,
        ),
        ('"a;b,c<d>" <sip:a@b;lr>;q="1;2"', "a;b,c<d>", "sip:a@b;lr", {"q": '"1;2"'}),
        ('"" <sip:a@b>', "", "sip:a@b", {}),
        ("<sip:[2001:db8::1]:5060>;lr", "", "sip:[2001:db8::1]:5060", {"lr": None}),
        ("Müller, Hans <sip:h@b>", "Müller, Hans", "sip:h@b", {}),
        ("<tel:+37120000000>;tag=1", "", "tel:+37120000000", {"tag": "1"}),
    ],
)  # fmt: skip
def test_name_addr(
    text: str, display: str | None, uri: str | None, params: dict[str, str | None] | None
) -> None:
    if display is None:
        with pytest.raises(ParseError):
            NameAddr.parse(text)
        return
    found = NameAddr.parse(text)
    assert (found.display, found.uri, found.params) == (display, uri, params)
    assert NameAddr.parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "sip", "<sip:a@b", '"a <sip:a@b>', "<sip:a@b>x", "<sip:a@b>;", "<sip:a@b>;;tag=1",
        "<sip:a@b>;tag=1;tag=2", "<sip:a@b>;tag=", "< sip:a@b >", "sip:a@b?x=y", '"a" sip:a@b',
        'a"b <sip:a@b>', "<sip:a@b>;a b=c",
    ],
)  # fmt: skip
def test_malformed_name_addr(text: str) -> None:
    with pytest.raises(ParseError):
        NameAddr.parse(text)


def test_display_names_are_quoted_so_that_nothing_gets_out() -> None:
    address = NameAddr('a"b\\c\r\nX: y\0', "sip:a@b")
    assert str(address) == '"a\\"b\\\\cX: y" <sip:a@b>'
    assert NameAddr.parse(str(address)).display == 'a"b\\cX: y'


def test_contact_parameters() -> None:
    assert NameAddr.parse("<sip:a@b>;expires=60;q=0.5").expires == 60
    assert NameAddr.parse("<sip:a@b>;expires=99999999999999").expires == 2**32 - 1
    assert NameAddr.parse("<sip:a@b>;expires=soon").expires == 3600
    assert NameAddr.parse("<sip:a@b>").expires is None
    assert NameAddr.parse("<sip:a@b>").q == 1.0
    assert NameAddr.parse("<sip:a@b>;q=0.7").q == 0.7
    with pytest.raises(ParseError):
        _ = NameAddr.parse("<sip:a@b>;q=x").q
    assert NameAddr.parse("<sip:a@b>").with_tag("t").tag == "t"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SIP/2.0/UDP 192.0.2.1", Via("UDP", "192.0.2.1")),
        ("SIP/2.0/TCP h.example:5061;branch=z9", Via("TCP", "h.example", 5061, {"branch": "z9"})),
        (
            "SIP/2.0/UDP h:65535;rport;branch=a",
            Via("UDP", "h", 65535, {"rport": None, "branch": "a"}),
        ),
        ("SIP/2.0/UDP [::1]:7;rport", Via("UDP", "::1", 7, {"rport": None})),
        ("SIP / 2.0 / TLS  h : 5 ; branch = x", Via("TLS", "h", 5, {"branch": "x"})),
        ("SIP/2.0/TLS-SCTP h;branch=x;a=b", Via("TLS-SCTP", "h", None, {"branch": "x", "a": "b"})),
    ],
)
def test_via(text: str, expected: Via) -> None:
    assert Via.parse(text) == expected
    assert Via.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "SIP/2.0/UDP", "SIP/2.0 h", "SIP/2.0/UDP h:99999", "SIP/2.0/UDP [::1", "SIP/2.0/UDP a b",
     "SIP/2.0/UDP [zz]", "SIP/2.0/UDP h;;", "SIP/2.0/UDP h;branch=a;branch=b",
     "SIP/2.0/UDP h;rport;branch=a;rport", "UDP h",
     "SIP/2.0/UDP [fe80::1%25eth0]"],
)  # fmt: skip
def test_malformed_via(text: str) -> None:
    with pytest.raises(ParseError):
        Via.parse(text)


def test_via_rport_and_received() -> None:
    via = Via.parse("SIP/2.0/UDP h;rport=5;received=[::2]")
    assert (via.rport, via.wants_rport, via.received) == (5, True, "::2")
    via = Via.parse("SIP/2.0/UDP h")
    assert (via.rport, via.wants_rport, via.received) == (None, False, None)


@pytest.mark.parametrize(
    "text", ["", "1", "x INVITE", "-1 INVITE", "2147483648 INVITE", "1 IN VITE", "٣ BYE"]
)
def test_malformed_cseq(text: str) -> None:
    with pytest.raises(ParseError):
        CSeq.parse(text)


def test_cseq() -> None:
    assert CSeq.parse("0009  INVITE") == CSeq(9, "INVITE")
    assert CSeq.parse("2147483647 x-y") == CSeq(2147483647, "x-y")


# --- URIs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "sip:example.com",
        "sip:alice@example.com",
        "sips:alice:secret@example.com:5061;transport=tcp;lr?subject=x&priority=urgent",
        "sip:+371200@[2001:db8::1]:5060;user=phone",
        "sip:a%20b;c=d@example.com",
        "tel:+37120000000;phone-context=example.com",
        "urn:service:sos",
    ],
)
def test_uri_round_trip(text: str) -> None:
    uri = Uri.parse(text)
    assert str(uri) == text
    assert Uri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    "text",
    [
        "", "sip", "sip:", ":x", "sip:@h", "sip:a@", "sip:a@h:", "sip:a@h:x", "sip:a@h:70000",
        "sip:a@[::1", "sip:a@::1", "sip:a b@h", "sip:a%zz@h", "sip:a@h;", "sip:a@h;x=1;X=2",
        "sip:a@h?x", "sip:ä@h", "<sip:a@h>", "1sip:a@h", "sip:a@h\r\nX:", "sip:a@[1.2.3.4]",
    ],
)  # fmt: skip
def test_malformed_uri(text: str) -> None:
    with pytest.raises(ParseError):
        Uri.parse(text)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        # the examples of RFC 3261 19.1.4
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", True),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", True),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            True,
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            True,
        ),
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", False),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", False),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", False),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", False),
        # IPv6 (RFC 5118): the address counts, not its spelling
        ("sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0:0::1]", True),
    ],
)
def test_uri_equality(left: str, right: str, equal: bool) -> None:
    first, second = Uri.parse(left), Uri.parse(right)
    assert (first == second) is equal
    assert (second == first) is equal
    if equal:
        assert hash(first) == hash(second)


def test_request_target() -> None:
    assert request().target.user == "b"
    for uri, status in (("foo:bar", 416), ("sip:a@h?x=y", 400), ("sip:", 400)):
        with pytest.raises(ParseError) as caught:
            _ = Request("INVITE", uri).target
        assert caught.value.status == status


# --- accessors -------------------------------------------------------------------------------


def test_further_accessors() -> None:
    message = request(
        ("Contact", "<sip:a@h>, <sip:b@h>;expires=5"),
        ("Contact", "sip:c@h"),
        ("Route", "<sip:p1;lr>,<sip:p2;lr>"),
        ("Require", "100rel, Timer"),
        ("Supported", "replaces,"),
        ("Allow", "INVITE, ACK"),
        ("Expires", "120"),
        ("Session-Expires", "1800;refresher=UAC"),
        ("Min-SE", "90"),
        ("RAck", "776656 1 INVITE"),
        ("RSeq", "5"),
        ("Retry-After", "18000;duration=3600"),
        ("Refer-To", "<sip:d@h?Replaces=x>"),
        ("P-Asserted-Identity", '"X" <sip:x@h>, <tel:+1>'),
        ("Content-Type", "Application/SDP; charset=x"),
    )
    assert [contact.uri for contact in message.contacts] == ["sip:a@h", "sip:b@h", "sip:c@h"]
    assert not message.star
    assert [route.uri for route in message.routes] == ["sip:p1;lr", "sip:p2;lr"]
    assert [route.uri for route in message.record_routes] == ["sip:p1.example.com;lr"]
    assert message.require == {"100rel", "timer"}
    assert message.supported == {"replaces"}
    assert message.allow == {"INVITE", "ACK"}
    assert message.expires == 120
    assert message.session_expires == (1800, "uac")
    assert message.min_se == 90
    assert message.rack == (776656, 1, "INVITE")
    assert message.rseq == 5
    assert message.retry_after == 18000
    assert message.refer_to is not None
    assert message.refer_to.uri == "sip:d@h?Replaces=x"
    assert [who.uri for who in message.asserted_identities] == ["sip:x@h", "tel:+1"]
    assert message.content_type == "application/sdp"


def test_what_is_missing_is_none() -> None:
    message = request()
    assert message.contact is None
    assert message.contacts == message.routes == message.asserted_identities == []
    assert message.require == message.proxy_require == message.allow == frozenset()
    for value in (
        message.max_forwards, message.expires, message.session_expires, message.min_se,
        message.rack, message.rseq, message.retry_after, message.refer_to, message.content_type,
    ):  # fmt: skip
        assert value is None


def test_star_stands_alone() -> None:
    assert request(("Contact", "*")).star
    assert request(("Contact", "*")).contacts == []
    with pytest.raises(ParseError):
        _ = request(("Contact", "*"), ("Contact", "<sip:a@b>")).contacts
    with pytest.raises(ParseError):
        _ = request(("Contact", "<sip:a@b>, *")).contacts


@pytest.mark.parametrize(
    ("name", "value", "accessor"),
    [
        ("Session-Expires", "x", "session_expires"),
        ("Session-Expires", "90;refresher=me", "session_expires"),
        ("RAck", "1 2", "rack"),
        ("RSeq", "-1", "rseq"),
        ("Retry-After", "99999999999", "retry_after"),
        ("Max-Forwards", "256", "max_forwards"),
        ("Refer-To", "<sip:a@b>, <sip:c@d>", "refer_to"),
        ("Route", "<sip:a", "routes"),
    ],
)
def test_malformed_values_raise_on_reading(name: str, value: str, accessor: str) -> None:
    with pytest.raises(ParseError) as caught:
        getattr(request((name, value)), accessor)
    assert caught.value.status == 400


# --- building --------------------------------------------------------------------------------


def test_response_copies_what_the_rfc_says() -> None:
    message = request(("Timestamp", "54"), ("Subject", "secret"))
    trying = response_to(message, 100, to_tag="t")
    assert trying.to.tag is None
    assert trying.headers.get("Timestamp") == "54"
    ringing = response_to(message, 180, to_tag="t", headers=[("Contact", "<sip:me@h>")])
    assert ringing.to.tag == "t"
    assert ringing.reason == "Ringing"
    assert [via.branch for via in ringing.vias] == ["z9hG4bK1", "z9hG4bK2"]
    assert len(ringing.record_routes) == 1
    assert ringing.contact is not None
    assert "Subject" not in ringing.headers
    busy = response_to(message, 486, "Later", to_tag="t", body=b"x")
    assert (busy.reason, busy.body, busy.record_routes) == ("Later", b"x", [])
    assert busy.from_ == message.from_
    assert busy.cseq == message.cseq


def test_response_keeps_the_tag_of_a_dialog() -> None:
    message = request()
    message.headers.set("To", "<sip:b@example.com>;tag=old")
    assert response_to(message, 200, to_tag="new").to.tag == "old"


def test_mark_received() -> None:
    message = request()
    mark_received(message, "192.0.2.7", 4321)
    assert message.via.received == "192.0.2.7"
    assert message.via.rport == 4321
    assert message.via.branch == "z9hG4bK1"
    assert [via.branch for via in message.vias] == ["z9hG4bK1", "z9hG4bK2"]
    plain = Request("BYE", "sip:a@b", [("Via", "SIP/2.0/UDP 192.0.2.7, SIP/2.0/UDP h;branch=2")])
    mark_received(plain, "192.0.2.7", 4321)
    assert plain.headers.get_all("Via") == ["SIP/2.0/UDP 192.0.2.7, SIP/2.0/UDP h;branch=2"]
    mark_received(plain, "::1", 4321)
    assert [via.received for via in plain.vias] == ["::1", None]


def test_encode_sets_the_length_and_forbids_line_breaks() -> None:
    message = request(("Content-Length", "999"), body=b"abc")
    assert message.encode().endswith(b"\r\nContent-Length: 3\r\n\r\nabc")
    assert message.encode().count(b"Content-Length") == 1
    assert Response(200).start_line() == "SIP/2.0 200 OK"
    for value in ("a\r\nInjected: x", "a\nb", "a\rb"):
        with pytest.raises(MisuseError):
            request(("Subject", value)).encode()
