"""Server transactions: matching, retransmission, CANCEL, ACK, limits, where answers go."""

from __future__ import annotations

import pytest

from router.sip.effects import Flow
from router.sip.errors import ParseError
from router.sip.message import Response
from router.sip.parser import parse_message
from router.sip.stateless import answer_unparsable
from router.sip.transaction import (
    Acked,
    CancelAsked,
    Failed,
    Requested,
    TimedOut,
    Transactions,
)
from tests.router.sip.transaction_cases import (
    PEER,
    PEER_TCP,
    answer,
    flows,
    incoming,
    layer,
    one_response,
    sent,
    told,
)

OLD = "SIP/2.0/UDP 192.0.2.1:5060"  # a Via of RFC 2543
TCP = "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKpeer1"


def invited(transactions: Transactions, via: str | None = None, flow: Flow = PEER) -> str:
    request = incoming(via=via) if via else incoming()
    (event,) = told(transactions.receive(request, flow, 0.0))
    assert isinstance(event, Requested)
    return event.tx


def test_an_invite_is_told_and_gets_100_after_200_ms() -> None:
    transactions = layer()
    invite = incoming()
    (event,) = transactions.receive(invite, PEER, 0.0)
    assert isinstance(event, Requested)
    assert (event.request, event.flow) == (invite, PEER)
    assert transactions.next_deadline == 0.2
    trying = one_response(transactions.tick(0.2))
    assert (trying.status, trying.to.tag) == (100, None)
    assert transactions.tick(30.0) == []


@pytest.mark.parametrize("status", [180, 200, 486])
def test_an_invite_that_is_answered_at_once_gets_no_100(status: int) -> None:
    transactions = layer()
    tx = invited(transactions)
    transactions.respond(tx, answer(incoming(), status), 0.1)
    assert [response.status for response in sent(transactions.tick(0.3))] == []  # type: ignore[union-attr]


def test_a_retransmitted_invite_gets_the_last_response_and_is_not_told() -> None:
    transactions = layer()
    tx = invited(transactions)
    assert one_response(transactions.receive(incoming(), PEER, 0.5)).status == 100
    transactions.respond(tx, answer(incoming(), 180), 0.6)
    again = transactions.receive(incoming(), PEER, 1.5)
    assert one_response(again).status == 180
    assert told(again) == []


def test_a_retransmitted_bye_is_answered_from_the_transaction() -> None:
    transactions = layer()
    bye = incoming("BYE")
    (event,) = transactions.receive(bye, PEER, 0.0)
    assert isinstance(event, Requested)
    assert transactions.receive(incoming("BYE"), PEER, 0.1) == []
    first = transactions.respond(event.tx, answer(bye, 200), 0.2)
    assert transactions.receive(incoming("BYE"), PEER, 0.5) == first
    transactions.tick(32.2)
    assert len(transactions) == 0


def test_a_refusal_goes_again_until_its_ack() -> None:
    transactions = layer()
    tx = invited(transactions)
    busy = transactions.respond(tx, answer(incoming(), 486), 1.0)
    assert transactions.tick(1.5) == busy
    assert transactions.tick(2.5) == busy
    assert transactions.receive(incoming("ACK"), PEER, 2.6) == []
    assert transactions.receive(incoming("ACK"), PEER, 2.7) == []
    assert transactions.receive(incoming(), PEER, 2.8) == []
    assert transactions.tick(7.5) == []
    assert transactions.state(tx) == "confirmed"
    transactions.tick(7.6)
    assert len(transactions) == 0


def test_a_refusal_without_ack_times_out() -> None:
    transactions = layer()
    tx = invited(transactions)
    transactions.respond(tx, answer(incoming(), 486), 0.0)
    times = []
    while (at := transactions.next_deadline) is not None:
        out = transactions.tick(at)
        times.append(at)
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]
    assert out == [TimedOut(tx)]


def test_accepted_absorbs_the_invite_and_sends_the_users_2xx() -> None:
    transactions = layer()
    tx = invited(transactions)
    ok = answer(incoming(), 200)
    first = transactions.respond(tx, ok, 1.0)
    assert transactions.receive(incoming(), PEER, 1.1) == []
    assert transactions.respond(tx, ok, 1.5) == first
    assert transactions.respond(tx, answer(incoming(), 486), 1.6) == []
    transactions.tick(33.0)
    assert transactions.respond(tx, ok, 33.1) == []
    assert len(transactions) == 0


def test_a_second_final_is_dropped() -> None:
    transactions = layer()
    tx = invited(transactions)
    transactions.respond(tx, answer(incoming(), 487), 1.0)
    assert transactions.respond(tx, answer(incoming(), 200), 1.1) == []


def test_the_ack_of_a_2xx_is_told() -> None:
    transactions = layer()
    tx = invited(transactions)
    transactions.respond(tx, answer(incoming(), 200), 1.0)
    for branch in ("z9hG4bKnew", "z9hG4bKpeer1"):  # its own, and the INVITE's (wrong but seen)
        ack = incoming("ACK", via=f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch}")
        assert transactions.receive(ack, PEER, 1.1) == [Acked(ack, PEER)]


@pytest.mark.parametrize(
    ("via", "same"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKpeer1;rport", True),
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKpeer2", False),
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKpeer1", False),
        ("SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bKpeer1", False),
    ],
)
def test_requests_match_by_branch_and_sent_by(via: str, same: bool) -> None:
    transactions = layer()
    transactions.receive(incoming("OPTIONS"), PEER, 0.0)
    again = transactions.receive(incoming("OPTIONS", via=via, call_id="call-10"), PEER, 0.1)
    assert (again == []) == same


@pytest.mark.parametrize("via", [OLD, f"{OLD};branch=1", f"{OLD};branch=z9hG4bK"])
class TestRfc2543:
    def test_retransmission_matches(self, via: str) -> None:
        transactions = layer()
        invited(transactions, via)
        again = transactions.receive(incoming(via=via), PEER, 0.5)
        assert [response.status for response in sent(again)] == [100]  # type: ignore[union-attr]
        assert told(again) == []
        other = transactions.receive(incoming(via=via, cseq=2), PEER, 0.6)
        assert len(told(other)) == 1

    def test_cancel_matches(self, via: str) -> None:
        transactions = layer()
        tx = invited(transactions, via)
        cancel = incoming("CANCEL", via=via)
        assert told(transactions.receive(cancel, PEER, 0.5)) == [CancelAsked(tx, cancel, PEER)]

    def test_ack_matches_by_the_to_tag_of_the_answer(self, via: str) -> None:
        transactions = layer()
        tx = invited(transactions, via)
        transactions.respond(tx, answer(incoming(via=via), 486, "ours"), 1.0)
        other = incoming("ACK", via=via, to="<sip:us@198.51.100.1>;tag=other")
        assert transactions.receive(other, PEER, 1.1) == [Acked(other, PEER)]
        ack = incoming("ACK", via=via, to="<sip:us@198.51.100.1>;tag=ours")
        assert transactions.receive(ack, PEER, 1.1) == []
        assert transactions.state(tx) == "confirmed"


class TestCancel:
    def test_is_answered_200_and_told_until_the_invite_has_a_final(self) -> None:
        transactions = layer()
        tx = invited(transactions)
        transactions.respond(tx, answer(incoming(), 180, "ours"), 0.1)
        cancel = incoming("CANCEL")
        out = transactions.receive(cancel, PEER, 0.2)
        ok = one_response(out)
        assert (ok.status, ok.to.tag, str(ok.cseq)) == (200, "ours", "1 CANCEL")
        assert told(out) == [CancelAsked(tx, cancel, PEER)]
        transactions.respond(tx, answer(incoming(), 487, "ours"), 0.2)
        again = transactions.receive(incoming("CANCEL"), PEER, 0.7)
        assert one_response(again) == ok
        assert told(again) == []

    def test_that_crosses_our_200_has_no_effect(self) -> None:
        transactions = layer()
        tx = invited(transactions)
        transactions.respond(tx, answer(incoming(), 200), 0.1)
        out = transactions.receive(incoming("CANCEL"), PEER, 0.2)
        assert one_response(out).status == 200
        assert told(out) == []
        assert transactions.state(tx) == "accepted"

    def test_of_nothing_is_answered_481(self) -> None:
        transactions = layer()
        out = transactions.receive(incoming("CANCEL"), PEER, 0.0)
        assert one_response(out).status == 481
        assert told(out) == []
        assert len(transactions) == 0

    def test_of_another_request_is_answered_481(self) -> None:
        transactions = layer()
        transactions.receive(incoming("OPTIONS"), PEER, 0.0)
        assert one_response(transactions.receive(incoming("CANCEL"), PEER, 0.1)).status == 481


class TestMerged:
    FORKED = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKpeer2"

    def test_request_is_answered_482(self) -> None:
        transactions = layer()
        invited(transactions)
        out = transactions.receive(incoming(via=self.FORKED), PEER, 0.1)
        refused = one_response(out)
        assert refused.status == 482
        assert refused.to.tag
        assert told(out) == []
        again = transactions.receive(incoming(via=self.FORKED), PEER, 0.6)
        assert one_response(again) == refused  # the same tag without state

    def test_a_request_inside_a_dialog_is_none(self) -> None:
        transactions = layer()
        to = "<sip:us@198.51.100.1>;tag=ours"
        transactions.receive(incoming("BYE", to=to), PEER, 0.0)
        out = transactions.receive(incoming("BYE", via=self.FORKED, to=to), PEER, 0.1)
        assert len(told(out)) == 1

    def test_a_later_request_is_none(self) -> None:
        transactions = layer()
        tx = invited(transactions)
        transactions.respond(tx, answer(incoming(), 401), 0.1)
        out = transactions.receive(incoming(via=self.FORKED, cseq=2), PEER, 0.2)
        assert len(told(out)) == 1

    def test_the_first_one_gone_is_none(self) -> None:
        transactions = layer()
        tx = invited(transactions)
        transactions.respond(tx, answer(incoming(), 200), 0.1)
        transactions.tick(32.1)
        assert len(told(transactions.receive(incoming(via=self.FORKED), PEER, 32.2))) == 1


class TestLimit:
    def fill(self, count: int) -> Transactions:
        transactions = layer(transactions_max=10)
        for number in range(count):
            to = "<sip:us@198.51.100.1>" + (";tag=ours" if number >= 10 else "")
            via = f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number}"
            transactions.receive(
                incoming("OPTIONS", via=via, call_id=f"call-{number}", to=to), PEER, 0.0
            )
        return transactions

    def test_beyond_it_503_with_retry_after_and_no_state(self) -> None:
        transactions = self.fill(10)
        out = transactions.receive(incoming(), PEER, 0.1)
        refused = one_response(out)
        assert (refused.status, refused.retry_after) == (503, 5)
        assert told(out) == []
        assert len(transactions) == 10
        ack = incoming("ACK")
        assert transactions.receive(ack, PEER, 0.2) == [Acked(ack, PEER)]

    def test_dialogs_have_a_reserve_of_a_tenth(self) -> None:
        to = "<sip:us@198.51.100.1>;tag=ours"
        assert len(told(self.fill(10).receive(incoming("BYE", to=to), PEER, 0.1))) == 1
        out = self.fill(11).receive(incoming("BYE", to=to), PEER, 0.1)
        assert one_response(out).status == 503


class TestWhereAnswersGo:
    def test_to_the_source_when_rport_was_asked_for(self) -> None:
        transactions = layer()
        source = Flow("udp", "203.0.113.4", 31_000, 0, 2)
        via = "SIP/2.0/UDP 10.0.0.7:5060;rport;branch=z9hG4bKpeer1"
        assert told(transactions.receive(incoming(via=via), source, 0.0))
        out = transactions.tick(0.2)
        assert flows(out) == [source]
        marked = one_response(out).via
        assert (marked.host, marked.received, marked.rport) == ("10.0.0.7", "203.0.113.4", 31_000)

    @pytest.mark.parametrize(("sent_by", "port"), [("10.0.0.7:5080", 5080), ("10.0.0.7", 5060)])
    def test_to_the_sent_by_port_of_the_source_otherwise(self, sent_by: str, port: int) -> None:
        source = Flow("udp", "203.0.113.4", 31_000, 0, 2)
        via = f"SIP/2.0/UDP {sent_by};branch=z9hG4bKpeer1;maddr=203.0.113.99"
        transactions = layer()
        transactions.receive(incoming(via=via), source, 0.0)
        out = transactions.tick(0.2)
        assert flows(out) == [Flow("udp", "203.0.113.4", port, 0, 2)]
        assert one_response(out).via.received == "203.0.113.4"

    def test_back_over_the_stream(self) -> None:
        transactions = layer()
        transactions.receive(incoming(via=TCP), PEER_TCP, 0.0)
        assert flows(transactions.tick(0.2)) == [PEER_TCP]

    def test_to_the_sent_by_port_when_the_stream_is_gone(self) -> None:
        transactions = layer()
        tx = invited(transactions, TCP, PEER_TCP)
        assert transactions.stream_closed(7, 0.1) == []
        fallback = Flow("tcp", "192.0.2.1", 5070, -1)
        out = transactions.respond(tx, answer(incoming(via=TCP), 200), 0.2)
        assert flows(out) == [fallback]
        assert transactions.transport_failed(fallback, 0.3) == [Failed(tx)]
        assert len(transactions) == 0

    def test_a_response_that_the_stream_refused_goes_there_too(self) -> None:
        transactions = layer()
        tx = invited(transactions, TCP, PEER_TCP)
        refused = transactions.respond(tx, answer(incoming(via=TCP), 200), 0.2)
        out = transactions.transport_failed(PEER_TCP, 0.3)
        assert flows(out) == [Flow("tcp", "192.0.2.1", 5070, -1)]
        assert sent(out) == sent(refused)

    def test_to_the_stream_that_a_retransmission_came_on(self) -> None:
        transactions = layer()
        invited(transactions, TCP, PEER_TCP)
        transactions.stream_closed(7, 0.1)
        back = Flow("tcp", "192.0.2.1", 40_001, 8)
        assert flows(transactions.receive(incoming(via=TCP), back, 0.2)) == [back]

    def test_a_lost_datagram_is_the_peers_to_ask_for(self) -> None:
        transactions = layer()
        tx = invited(transactions)
        assert transactions.transport_failed(PEER, 0.1) == []
        assert transactions.state(tx) == "trying"


class TestUnparsable:
    def refused(self, data: bytes, flow: Flow = PEER) -> list[Response]:
        with pytest.raises(ParseError) as problem:
            parse_message(data)
        return [
            response
            for response in sent([*answer_unparsable(problem.value, flow)])
            if isinstance(response, Response)
        ]

    def test_request_with_a_usable_via_is_answered(self) -> None:
        data = (
            incoming("OPTIONS").encode().replace(b"CSeq: 1 OPTIONS", b"CSeq: 99999999999 OPTIONS")
        )
        data = data.replace(b";branch", b";rport;branch")
        with pytest.raises(ParseError) as problem:
            parse_message(data)
        (effect,) = answer_unparsable(problem.value, Flow("udp", "192.0.2.1", 31_000))
        assert effect.flow.port == 31_000
        assert effect.data.startswith(b"SIP/2.0 400 ")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"Via: SIP/2.0/UDP 192.0.2.1:5060", b"Via: ;;;"),
            (b"Via:", b"X-Via:"),
            (b"OPTIONS sip:us@198.51.100.1 SIP/2.0", b"SIP/2.0 2000 OK"),
        ],
    )
    def test_what_has_no_usable_via_or_is_no_request_is_not(self, old: bytes, new: bytes) -> None:
        data = incoming("OPTIONS").encode()
        assert old in data
        assert self.refused(data.replace(old, new)) == []

    def test_ack_is_not(self) -> None:
        data = incoming("ACK").encode().replace(b"CSeq: 1 ACK", b"CSeq: x ACK")
        assert self.refused(data) == []
