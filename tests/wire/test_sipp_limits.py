"""What happens at the limits: the refusal that is due, and room again afterwards."""

from __future__ import annotations

import time

from tests.wire.raw_sip import Message, Peer
from tests.wire.system import CONFIG as BASE
from tests.wire.system import TRUNK, System, eventually

DIALOGS = 5
CONNECTIONS = 4
CONFIG = BASE.replace(
    "sip:\n",
    "sip:\n"
    f"  limits: {{dialogs_max: {DIALOGS}, connections_max: {CONNECTIONS}, headers_max: 40, "
    "transactions_max: 60, body_bytes_max: 2000, retry_after_s: 7}\n",
)


def test_calls_beyond_the_limit_are_asked_to_come_later(system: System) -> None:
    with Peer(system.sip, TRUNK) as peer:
        calls = [peer.call("700", f"+3715000000{n}") for n in range(DIALOGS)]
        refused = peer.ask(peer.invite("700", "+37150000009", "one-too-many"))
        peer.acknowledge(refused)
        assert (refused.status, refused["Retry-After"]) == (503, "7")
        assert peer.bye(calls[0]).status == 200
        again = eventually(lambda: _accepted(peer), "room for a call")
        for answer in (*calls[1:], again):
            assert peer.bye(answer).status == 200
    system.nothing_is_left()
    assert not system.calls("+37150000009"), "what was refused so is no call"


def _accepted(peer: Peer) -> Message | None:
    answer = peer.ask(peer.invite("700", "+37150000010", f"again-{time.monotonic()}"))
    peer.acknowledge(answer)
    return answer if answer.status == 200 else None


def test_connections_beyond_the_limit_are_closed(system: System) -> None:
    peers = [Peer(system.sip_tcp, TRUNK, "tcp") for _ in range(CONNECTIONS)]
    for peer in peers:
        assert peer.ask(peer.request("OPTIONS")).status == 200
    with Peer(system.sip_tcp, TRUNK, "tcp") as one_more:
        assert one_more.receive() is None
        assert one_more.closed
    assert peers[0].ask(peers[0].request("OPTIONS")).status == 200
    for peer in peers:
        peer.__exit__()
    eventually(lambda: _served(system), "room for a connection")


def _served(system: System) -> bool:
    with Peer(system.sip_tcp, TRUNK, "tcp") as peer:
        try:
            peer.send(peer.request("OPTIONS"))
        except ConnectionError:
            return False
        return peer.receive(1) is not None


def test_messages_beyond_the_limits_are_refused(system: System) -> None:
    with Peer(system.sip, TRUNK) as peer:
        many = peer.request("OPTIONS", headers=tuple(f"X-{n}: {n}" for n in range(50)))
        assert 400 <= peer.ask(many).status < 500
        long = peer.invite("700", "+37150000011", "long", headers=("X: " + "y" * 60_000,))
        assert 400 <= peer.ask(long[:60_000]).status < 500
        body = peer.request("INVITE", "700", caller="+37150000011", body="v=0\r\n" * 500)
        assert peer.ask(body).status == 413
    assert not system.calls("+37150000011")


def test_a_flood_is_refused_and_passes(system: System) -> None:
    """More requests at once than there are transactions: each gets an answer or is asked again."""
    with Peer(system.sip, TRUNK) as peer:
        for n in range(300):
            peer.send(peer.request("OPTIONS", call_id=f"flood-{n}"))
        seen = {}
        while (message := peer.receive(0.5)) is not None:
            seen[message["Call-ID"]] = message.status
        assert set(seen.values()) <= {200, 503}, set(seen.values())
        assert 503 in seen.values()
        assert 200 in seen.values()
    system.still_runs()
