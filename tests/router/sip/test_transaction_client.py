"""Client transactions: Via, retransmission, ACK, CANCEL, transport."""

from __future__ import annotations

import pytest

from config.errors import MisuseError
from router.sip.effects import Flow
from router.sip.message import Request
from router.sip.transaction import Failed, Responded, TimedOut, Transactions
from router.sip.transaction_state import TimerHeap, Transaction
from tests.router.sip.transaction_cases import (
    PEER,
    PEER_TCP,
    answer,
    flows,
    layer,
    one_request,
    outgoing,
    sent,
    told,
)


def run_out(transactions: Transactions, until: float = 1000.0) -> list[tuple[float, object]]:
    """Every effect of the timers, with its time."""
    effects: list[tuple[float, object]] = []
    while (at := transactions.next_deadline) is not None and at <= until:
        effects += [(at, effect) for effect in transactions.tick(at)]
    return effects


def test_a_request_gets_a_via_with_cookie_and_rport() -> None:
    _, out = layer().request(outgoing(), PEER, 0.0)
    request = one_request(out)
    assert request.headers.get("Via") == "SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bKb1"
    assert flows(out) == [PEER]


def test_ack_and_cancel_are_not_started_as_requests() -> None:
    with pytest.raises(MisuseError):
        layer().request(outgoing("ACK"), PEER, 0.0)
    with pytest.raises(MisuseError):
        layer().request(outgoing("CANCEL"), PEER, 0.0)


def test_invite_goes_again_by_timer_a_and_ends_by_timer_b() -> None:
    transactions = layer()
    tx, _ = transactions.request(outgoing(), PEER, 0.0)
    effects = run_out(transactions)
    assert [at for at, _ in effects] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0]
    assert effects[-1][1] == TimedOut(tx)
    assert len(transactions) == 0


def test_other_requests_go_again_by_timer_e_and_end_by_timer_f() -> None:
    transactions = layer()
    tx, _ = transactions.request(outgoing("BYE"), PEER, 0.0)
    effects = run_out(transactions)
    times = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]
    assert [at for at, _ in effects] == times
    assert effects[-1][1] == TimedOut(tx)


def test_a_provisional_slows_timer_e_to_t2() -> None:
    transactions = layer()
    _, out = transactions.request(outgoing("OPTIONS"), PEER, 0.0)
    transactions.receive(answer(one_request(out), 100), PEER, 0.1)
    assert [at for at, _ in run_out(transactions)][:3] == [0.5, 4.5, 8.5]


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_stream_needs_no_retransmission(method: str) -> None:
    transactions = layer()
    tx, _ = transactions.request(outgoing(method), PEER_TCP, 0.0)
    assert run_out(transactions) == [(32.0, TimedOut(tx))]


def test_a_refusal_is_acknowledged_each_time_and_told_once() -> None:
    transactions = layer()
    route = ("Route", "<sip:edge.example;lr>")
    tx, out = transactions.request(outgoing("INVITE", 1, route), PEER, 0.0)
    invite = one_request(out)
    busy = answer(invite, 486)
    first = transactions.receive(busy, PEER, 0.1)
    assert told(first) == [Responded(tx, busy, PEER)]
    ack = one_request(first)
    assert (ack.method, ack.uri, str(ack.cseq)) == ("ACK", invite.uri, "1 ACK")
    assert ack.headers.get("Via") == invite.headers.get("Via")
    assert ack.to.tag == "them"
    assert [ack.headers.get(name) for name in ("From", "Call-ID", "Route")] == [
        invite.headers.get(name) for name in ("From", "Call-ID", "Route")
    ]
    again = transactions.receive(answer(invite, 486), PEER, 0.6)
    assert told(again) == []
    assert one_request(again) == ack
    assert run_out(transactions) == []
    assert len(transactions) == 0


def test_timer_d_is_zero_on_a_stream() -> None:
    transactions = layer()
    _, out = transactions.request(outgoing(), PEER_TCP, 0.0)
    transactions.receive(answer(one_request(out), 486), PEER_TCP, 0.1)
    assert len(transactions) == 0


def test_every_2xx_of_an_invite_is_told_while_timer_m_runs() -> None:
    transactions = layer()
    tx, out = transactions.request(outgoing(), PEER, 0.0)
    invite = one_request(out)
    for tag in ("fork1", "fork1", "fork2"):
        ok = answer(invite, 200, tag)
        assert told(transactions.receive(ok, PEER, 1.0)) == [Responded(tx, ok, PEER)]
    assert transactions.receive(answer(invite, 180, "fork3"), PEER, 1.1) == []
    assert transactions.receive(answer(invite, 486, "fork3"), PEER, 1.1) == []
    transactions.tick(33.1)
    assert transactions.receive(answer(invite, 200, "fork4"), PEER, 33.2) == []
    assert len(transactions) == 0


def test_a_2xx_of_another_method_is_told_once() -> None:
    transactions = layer()
    tx, out = transactions.request(outgoing("BYE"), PEER, 0.0)
    ok = answer(one_request(out), 200)
    assert transactions.receive(ok, PEER, 0.1) == [Responded(tx, ok, PEER)]
    assert transactions.receive(ok, PEER, 0.2) == []
    assert run_out(transactions) == []
    assert len(transactions) == 0


def test_responses_match_by_branch_and_method() -> None:
    transactions = layer()
    _, out = transactions.request(outgoing(), PEER, 0.0)
    invite = one_request(out)
    stranger = answer(invite, 200)
    stranger.headers.set("Via", "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKother")
    other_method = answer(invite, 200)
    other_method.headers.set("CSeq", "1 BYE")
    misrouted = answer(invite, 200)
    misrouted.headers.add("Via", "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKz")
    misrouted_in_one_line = answer(invite, 200)
    misrouted_in_one_line.headers.set(
        "Via", f"{invite.headers.get('Via')}, SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKz"
    )
    for response in (stranger, other_method, misrouted, misrouted_in_one_line):
        assert transactions.receive(response, PEER, 0.1) == []


class TestCancel:
    def test_waits_for_a_provisional(self) -> None:
        transactions = layer()
        tx, out = transactions.request(outgoing(), PEER, 0.0)
        invite = one_request(out)
        assert transactions.cancel(tx, 0.1) == []
        assert one_request(transactions.tick(0.5)).method == "INVITE"
        ringing = transactions.receive(answer(invite, 180), PEER, 0.6)
        assert [type(item) for item in told(ringing)] == [Responded]
        self.check_cancel(one_request(ringing), invite)

    def test_goes_at_once_after_a_provisional_and_once_only(self) -> None:
        transactions = layer()
        tx, out = transactions.request(outgoing(), PEER, 0.0)
        invite = one_request(out)
        transactions.receive(answer(invite, 100), PEER, 0.1)
        self.check_cancel(one_request(transactions.cancel(tx, 0.2)), invite)
        assert transactions.cancel(tx, 0.3) == []

    def check_cancel(self, cancel: Request, invite: Request) -> None:
        assert (cancel.method, cancel.uri, str(cancel.cseq)) == ("CANCEL", invite.uri, "1 CANCEL")
        for name in ("Via", "From", "To", "Call-ID"):
            assert cancel.headers.get(name) == invite.headers.get(name)

    def test_its_own_responses_are_not_told_and_487_ends_the_invite(self) -> None:
        transactions = layer()
        tx, out = transactions.request(outgoing(), PEER, 0.0)
        invite = one_request(out)
        transactions.receive(answer(invite, 180), PEER, 0.1)
        cancel = one_request(transactions.cancel(tx, 0.2))
        assert transactions.receive(answer(cancel, 200), PEER, 0.3) == []
        ended = answer(invite, 487)
        out = transactions.receive(ended, PEER, 0.3)
        assert told(out) == [Responded(tx, ended, PEER)]
        assert one_request(out).method == "ACK"

    @pytest.mark.parametrize("status", [180, None])
    def test_a_200_that_crosses_is_told(self, status: int | None) -> None:
        transactions = layer()
        tx, out = transactions.request(outgoing(), PEER, 0.0)
        invite = one_request(out)
        if status:
            transactions.receive(answer(invite, status), PEER, 0.1)
        transactions.cancel(tx, 0.2)
        ok = answer(invite, 200)
        assert transactions.receive(ok, PEER, 0.3) == [Responded(tx, ok, PEER)]

    def test_a_peer_silent_after_the_cancel_times_out(self) -> None:
        transactions = layer()
        tx, out = transactions.request(outgoing(), PEER, 0.0)
        transactions.receive(answer(one_request(out), 180), PEER, 1.0)
        transactions.cancel(tx, 10.0)
        effects = run_out(transactions)
        assert (42.0, TimedOut(tx)) in effects
        assert [type(effect) for _, effect in effects].count(TimedOut) == 1
        assert len(transactions) == 0

    def test_comes_too_late_for_an_answered_or_unknown_invite(self) -> None:
        transactions = layer()
        tx, out = transactions.request(outgoing(), PEER, 0.0)
        transactions.receive(answer(one_request(out), 200), PEER, 0.1)
        assert transactions.cancel(tx, 0.2) == []
        assert transactions.cancel("c|gone|INVITE", 0.2) == []


class TestTransport:
    def test_a_failed_send_fails_the_transactions_of_its_flow(self) -> None:
        transactions = layer()
        tx, _ = transactions.request(outgoing(), PEER, 0.0)
        other, _ = transactions.request(outgoing("BYE"), Flow("udp", "192.0.2.2", 5060), 0.0)
        assert transactions.transport_failed(PEER, 0.1) == [Failed(tx)]
        assert transactions.state(tx) == "terminated"
        assert transactions.state(other) == "trying"

    def test_a_closed_stream_fails_what_waits_for_an_answer_on_it(self) -> None:
        transactions = layer()
        calling, _ = transactions.request(outgoing("INVITE", 1), PEER_TCP, 0.0)
        ringing, out = transactions.request(outgoing("INVITE", 2), PEER_TCP, 0.0)
        transactions.receive(answer(one_request(out), 180), PEER_TCP, 0.1)
        answered, out = transactions.request(outgoing("INVITE", 3), PEER_TCP, 0.0)
        transactions.receive(answer(one_request(out), 200), PEER_TCP, 0.1)
        assert transactions.stream_closed(7, 0.2) == [Failed(calling), Failed(ringing)]
        assert transactions.state(answered) == "accepted"

    def test_a_stream_opened_on_demand_is_kept_to(self) -> None:
        transactions = layer()
        to_open = Flow("tcp", "192.0.2.1", 5060, -1)
        opened = Flow("tcp", "192.0.2.1", 5060, 12)
        tx, out = transactions.request(outgoing(), to_open, 0.0)
        transactions.receive(answer(one_request(out), 180), opened, 0.1)
        assert flows(transactions.cancel(tx, 0.2)) == [opened]
        assert transactions.stream_closed(12, 0.3) == [Failed(tx)]

    def test_a_lost_cancel_is_nobodys_concern(self) -> None:
        transactions = layer()
        tx, out = transactions.request(outgoing(), PEER, 0.0)
        transactions.receive(answer(one_request(out), 180), PEER, 0.1)
        transactions.cancel(tx, 0.2)
        assert transactions.transport_failed(PEER, 0.3) == [Failed(tx)]


def test_the_ack_of_a_2xx_has_a_branch_of_its_own() -> None:
    transactions = layer()
    _, out = transactions.request(outgoing(), PEER, 0.0)
    acks = transactions.send_ack(outgoing("ACK"), PEER)
    assert one_request(acks).via.branch == "z9hG4bKb2"
    assert sent(out) != sent(acks)
    assert len(transactions) == 1


def test_figures_count_by_kind_and_state() -> None:
    transactions = layer()
    transactions.request(outgoing("INVITE", 1), PEER, 0.0)
    transactions.request(outgoing("INVITE", 2), PEER, 0.0)
    transactions.request(outgoing("BYE", 3), PEER, 0.0)
    assert transactions.figures() == {"invite-client calling": 2, "client trying": 1}


def test_stale_timers_do_not_pile_up() -> None:
    timers = TimerHeap()
    alive = Transaction("1", "client", "trying", "BYE", PEER)
    timers.start(alive, "timer F", 99.0)
    for number in range(5000):
        tx = Transaction(str(number), "client", "trying", "BYE", PEER)
        timers.start(tx, "timer F", 100.0)
        timers.stop(tx)
    assert len(timers) < 1100
    assert timers.next_deadline() == 99.0
    assert timers.pop_due(98.0) is None
    assert timers.pop_due(200.0) == (alive, "timer F")
    assert timers.next_deadline() is None
    assert len(timers) == 0
