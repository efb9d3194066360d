"""Requests, responses and layers for the tests of the transaction layer."""

from __future__ import annotations

from itertools import count

from router.sip.effects import Flow, Send
from router.sip.message import Request, Response, response_to
from router.sip.parser import parse_message
from router.sip.transaction import Outcome, TransactionLimits, Transactions

PEER = Flow("udp", "192.0.2.1", 5060)
PEER_TCP = Flow("tcp", "192.0.2.1", 40_000, 7)
OURS = ("198.51.100.1", 5060)


def layer(transactions_max: int = 1000, name: str = "b") -> Transactions:
    numbers = count(1)
    return Transactions(
        limits=TransactionLimits(transactions_max, retry_after_s=5),
        branch=lambda: f"{name}{next(numbers)}",
        sent_by=lambda flow: OURS,
    )


def outgoing(method: str = "INVITE", cseq: int = 1, *extra: tuple[str, str]) -> Request:
    """A request as the endpoint makes it, still without a Via."""
    return Request(
        method,
        "sip:bob@192.0.2.1",
        [
            ("Max-Forwards", "70"),
            ("From", "<sip:alice@198.51.100.1>;tag=us"),
            ("To", "<sip:bob@192.0.2.1>"),
            ("Call-ID", "call-1"),
            ("CSeq", f"{cseq} {method}"),
            *extra,
        ],
    )


def incoming(
    method: str = "INVITE",
    via: str = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKpeer1",
    cseq: int = 1,
    to: str = "<sip:us@198.51.100.1>",
    call_id: str = "call-9",
    from_: str = "<sip:peer@192.0.2.1>;tag=peer",
) -> Request:
    return Request(
        method,
        "sip:us@198.51.100.1",
        [
            ("Via", via),
            ("Max-Forwards", "70"),
            ("From", from_),
            ("To", to),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
        ],
    )


def sent(out: Outcome) -> list[Request | Response]:
    """The messages that go out, parsed."""
    return [parse_message(effect.data) for effect in out if isinstance(effect, Send)]


def flows(out: Outcome) -> list[Flow]:
    return [effect.flow for effect in out if isinstance(effect, Send)]


def told(out: Outcome) -> list[object]:
    """What the transaction user is told."""
    return [effect for effect in out if not isinstance(effect, Send)]


def one_request(out: Outcome) -> Request:
    (message,) = sent(out)
    assert isinstance(message, Request)
    return message


def one_response(out: Outcome) -> Response:
    (message,) = sent(out)
    assert isinstance(message, Response)
    return message


def answer(request: Request, status: int, tag: str = "them") -> Response:
    return response_to(request, status, to_tag=tag)
