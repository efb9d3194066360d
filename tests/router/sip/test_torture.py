"""RFC 4475 and RFC 5118 at the parser, the framer and the sans-I/O core."""

from __future__ import annotations

import pytest

from router.sip.errors import FramingError
from router.sip.framing import PING, StreamFramer
from router.sip.message import ParseError, Request, Response
from router.sip.parser import parse_message
from tests.router.sip.torture_verdicts import DATA, RFC4475, RFC5118, VERDICTS, TortureVerdict

every = pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.id)


def by_name(name: str) -> bytes:
    return next(verdict.data for verdict in VERDICTS if verdict.name == name)


def parsed(name: str) -> Request | Response:
    return parse_message(by_name(name))


def test_the_table_names_every_message_once() -> None:
    assert len(RFC4475) == 49
    assert len(RFC5118) == 12
    files = {f"{path.parent.name}-{path.stem}" for path in DATA.glob("rfc*/*.dat")}
    assert {verdict.id for verdict in VERDICTS} == files


@every
def test_verdict_of_the_parser(verdict: TortureVerdict) -> None:
    if verdict.parse == 0:
        parse_message(verdict.data)
        return
    with pytest.raises(ParseError) as caught:
        parse_message(verdict.data)
    assert caught.value.status == verdict.parse
    is_response = verdict.data.startswith(b"SIP/")
    assert (caught.value.request is None) == is_response


@every
def test_what_was_taken_survives_a_round_trip(verdict: TortureVerdict) -> None:
    if verdict.parse == 0:
        message = parse_message(verdict.data)
        assert parse_message(message.encode()) == message


@every
def test_verdict_on_a_stream(verdict: TortureVerdict) -> None:
    framer = StreamFramer()
    if isinstance(verdict.tcp, int):
        with pytest.raises(FramingError) as caught:
            framer.feed(verdict.data)
        assert caught.value.status == verdict.tcp
        assert caught.value.request is not None
        return
    if verdict.tcp == "two, then lost":
        with pytest.raises(FramingError) as caught:
            framer.feed(verdict.data)
        assert len(caught.value.messages) == 2
        assert caught.value.request is None
        return
    messages = [item for item in framer.feed(verdict.data) if item != PING]
    if verdict.tcp == "waits":
        assert messages == []
        assert framer.unfinished
        return
    assert len(messages) == 1
    assert not framer.unfinished
    if verdict.parse == 0:
        assert parse_message(messages[0]) == parse_message(verdict.data)
        return
    with pytest.raises(ParseError) as refused:
        parse_message(messages[0])
    assert refused.value.status == verdict.parse


def test_wsinv_reads_as_the_rfc_explains_it() -> None:
    message = parsed("wsinv")
    assert isinstance(message, Request)
    assert message.to.tag == "1918181833n"
    assert message.from_.display == 'J Rosenberg \\"'
    assert message.from_.tag == "98asjd8"
    assert message.max_forwards == 68
    assert (message.cseq.number, message.cseq.method) == (9, "INVITE")
    vias = message.vias
    assert [via.branch for via in vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert [via.transport for via in vias] == ["UDP", "TCP", "UDP"]
    assert vias[1].host == "spindle.example.com"
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    contact = message.contact
    assert contact is not None
    assert contact.display == 'Quoted string ""'
    assert contact.q == 0.33
    assert contact.params["newparam"] == "newvalue"
    assert len(message.body) == 150


def test_intmeth_reads_as_the_rfc_explains_it() -> None:
    message = parsed("intmeth")
    assert isinstance(message, Request)
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.target.host == "example.com"
    assert message.target.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.to.display == "BEL: NUL: DEL:"  # control characters do not get in
    assert message.from_.tag == "_token~1'+`*%!-."


def test_other_values_as_the_rfc_explains_them() -> None:
    semiuri = parsed("semiuri")
    assert isinstance(semiuri, Request)
    assert semiuri.target.user_text == "user;par=u@example.net"
    esc01 = parsed("esc01")
    assert esc01.to.target().user_text == "user"
    assert esc01.contact is not None
    assert esc01.contact.target().user_text == "caller"
    escnull = parsed("escnull")
    assert [contact.target().user_text for contact in escnull.contacts] == ["\0", "\0\0"]
    assert len(parsed("esc02").contacts) == 2  # C%6Fntact is another header
    assert len(parsed("longreq").vias) == 34
    assert parsed("cparam01").contacts[0].params == {"unknownparam": None}
    assert parsed("cparam02").contacts[0].params == {}
    assert parsed("noreason").encode().startswith(b"SIP/2.0 100 \r\n")
    with pytest.raises(ParseError):
        _ = parsed("regbadct").contacts


def test_ipv6_values_as_the_rfc_explains_them() -> None:
    ambiguous, plain = parsed("port-ambiguous"), parsed("port-unambiguous")
    assert isinstance(ambiguous, Request)
    assert isinstance(plain, Request)
    assert (ambiguous.target.host, ambiguous.target.port) == ("2001:db8::10:5070", None)
    assert (plain.target.host, plain.target.port) == ("2001:db8::10", 5070)
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert parsed(name).via.received == "2001:db8::9:255"
    assert parsed("ipv6-good").via.host == "2001:db8::9:1"
    bug, right = parsed("ipv6-bug-abnf-3-colons"), parsed("ipv6-correct-abnf-2-colons")
    assert isinstance(bug, Request)
    assert isinstance(right, Request)
    assert bug.target == right.target
    assert parsed("ipv4-mapped-ipv6").via.port == 19823
