"""The 49 messages of RFC 4475 and 12 of RFC 5118 to the whole running system, UDP and TCP.

Each comes from a trunk's address. After each the verdict of the table is seen on the wire, all
processes live, and the next real call goes well.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.router.sip.torture_verdicts import VERDICTS, TortureVerdict
from tests.wire.raw_sip import Message, Peer
from tests.wire.system import CONFIG as BASE
from tests.wire.system import TRUNK, System, running

TORTURER = "127.0.0.44"
CONFIG = BASE.replace("[127.0.0.2]", "[127.0.0.2, 127.0.0.44]")

# What becomes of those that the endpoint takes for a call.
CALLS = {
    "esc01": 200,
    "longreq": 200,
    "baddate": 200,
    "invut": 488,
    "sdp01": 200,
    "inv2543": 200,
    "ipv6-in-sdp": 488,  # G.726 only
    "mult-ip-in-sdp": 200,
    "ipv4-mapped-ipv6": 488,  # G.726 only
}


@pytest.fixture(scope="module")
def system_for_udp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running(tmp_path_factory.mktemp("udp"), CONFIG) as system:
        yield system


@pytest.fixture(scope="module")
def system_for_tcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Another one: the same message again would be taken for a retransmission."""
    with running(tmp_path_factory.mktemp("tcp"), CONFIG) as system:
        yield system


def life_goes_on(system: System) -> None:
    """Every process lives, and a real call goes well."""
    with Peer(system.sip, TRUNK) as caller:
        assert caller.bye(caller.call("100", "+37125550100")).status == 200
    system.still_runs()


def sent_by_port(data: bytes) -> int:
    """Where its responses go over UDP (RFC 3261 18.2.2); the source port where it has rport."""
    via = re.search(rb"^(?:via|v)\s*:([^\r\n]*(?:\r\n[ \t]+[^\r\n]*)*)", data, re.I | re.M)
    assert via is not None
    found = re.search(rb":\s*(\d+)\s*$", re.sub(rb"\[.*?\]", b"", via.group(1).partition(b";")[0]))
    return int(found.group(1)) if found else 5060


def answers(peer: Peer, verdict: TortureVerdict) -> list[Message]:
    """Responses to its message: what comes before the answer to a probe sent after it, and what
    takes its time: a call's final response, and a REGISTER's (they give way to all else)."""
    is_awaited = "ignored" not in verdict.uas
    probe = peer.request("OPTIONS")
    peer.send(probe)
    settled_by = Message.read(probe.encode())["Call-ID"]
    found: list[Message] = []
    probed = False
    until = time.monotonic() + 5
    while not probed or (is_awaited and not found) or (found and found[-1].status < 200):
        message = peer.receive(until - time.monotonic())
        assert message is not None, f"no answer to the probe (or the call): {found}"
        if message["Call-ID"] == settled_by:
            probed = True
        elif message["Call-ID"].encode() in verdict.data:  # else a late copy for an earlier one
            found.append(message)
    return found


def judge(
    peer: Peer, verdict: TortureVerdict, found: list[Message], uas: tuple[int | str, ...]
) -> None:
    """Is the final response one of these? Calls are acknowledged and ended."""
    final = [message for message in found if message.status >= 200]
    for message in final:
        if message.method == "INVITE":
            peer.acknowledge(message)
            if message.status == 200:
                number = int(message["CSeq"].split()[0]) + 1
                assert peer.bye(message, number).status == 200
    seen: int | str = final[-1].status if final else "ignored"
    allowed = [CALLS[verdict.name] if each == "call" else each for each in uas]
    assert seen in allowed, f"{verdict.name}: {seen}, not {allowed}: {verdict.why}"


every = pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.id)


@every
def test_over_udp(system_for_udp: System, verdict: TortureVerdict) -> None:
    with Peer(system_for_udp.sip, TORTURER, port=sent_by_port(verdict.data)) as peer:
        peer.send(verdict.data)
        judge(peer, verdict, answers(peer, verdict), verdict.uas)
    life_goes_on(system_for_udp)


@every
def test_over_tcp(system_for_tcp: System, verdict: TortureVerdict) -> None:
    """On a stream a broken frame ends the stream; an unfinished message waits for its rest."""
    with Peer(system_for_tcp.sip_tcp, TORTURER, "tcp") as peer:
        peer.send(verdict.data)
        if verdict.tcp == "same":
            judge(peer, verdict, answers(peer, verdict), verdict.uas)
        elif verdict.tcp == "waits":
            assert peer.receive(0.1) is None
            assert not peer.closed
        elif verdict.tcp == "two, then lost":
            judge(peer, verdict, until_closed(peer)[:1], verdict.uas)
        else:
            judge(peer, verdict, until_closed(peer), (verdict.tcp,))
    life_goes_on(system_for_tcp)


def until_closed(peer: Peer) -> list[Message]:
    found = []
    while (message := peer.receive()) is not None:
        found.append(message)
    assert peer.closed, "the stream has lost its frame and stays open"
    return found
