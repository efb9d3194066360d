"""RFC 4475 and RFC 5118 at the sans-I/O endpoint: the answer of each, and life goes on."""

from __future__ import annotations

import itertools

import pytest

from config.settings import Sip
from router.sip.directory import DirectoryUser
from router.sip.effects import Flow, Invited, Send
from router.sip.endpoint import Endpoint, Output
from tests.router.sip.torture_verdicts import VERDICTS, TortureVerdict

FLOW = Flow("udp", "198.51.100.7", 5060)
PROBE = (
    b"OPTIONS sip:offhook.local SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKprobe\r\n"
    b"From: <sip:probe@h>;tag=1\r\nTo: <sip:offhook.local>\r\nCall-ID: probe\r\n"
    b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n"
)


class TrunkEverywhere:
    """A directory in which every address is a trunk's and nobody has a password."""

    def trunk_at(self, host: str, port: int) -> str | None:
        return "trunk"

    def user(self, name: str) -> DirectoryUser | None:
        return None


def endpoint() -> Endpoint:
    count = itertools.count()
    return Endpoint(
        Sip(),
        TrunkEverywhere(),
        token=lambda: f"token{next(count)}",
        nonce_secret=b"n" * 16,
        local_host=lambda flow: ("192.0.2.1", 5060),
    )


def statuses(output: Output) -> list[int]:
    """Of the responses sent; read by hand, for they repeat what was broken."""
    sent = [effect.data for effect in output if isinstance(effect, Send)]
    return [int(data[8:11]) for data in sent if data.startswith(b"SIP/2.0 ")]


def outcome(output: Output) -> int | str:
    if any(isinstance(effect, Invited) for effect in output):
        return "call"
    final = [status for status in statuses(output) if status >= 200]
    return final[-1] if final else "ignored"


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.id)
def test_verdict_of_the_endpoint(verdict: TortureVerdict) -> None:
    server = endpoint()
    assert outcome(server.receive(verdict.data, FLOW, 1.0)) in verdict.uas
    assert statuses(server.receive(PROBE, FLOW, 2.0)) == [200]


def test_all_of_them_one_after_the_other() -> None:
    server = endpoint()
    for at, verdict in enumerate(VERDICTS):
        server.receive(verdict.data, FLOW, float(at))
        server.tick(float(at) + 0.5)
    assert statuses(server.receive(PROBE, FLOW, 100.0)) == [200]
    while (due := server.next_deadline) is not None and due < 1000.0:
        server.tick(due)
