"""TCP while the engine is dead: streams stay, unless one was cut in the middle of a message."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.raw_sip import Message, Peer, sdp
from tests.wire.system import CONFIG, TRUNK, System
from tests.wire.test_restart_wire import kill_the_engine

CALLER, LATER = "+37120000201", "+37120000202"


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[System]:
    """A system whose engine the test kills; calls go to the queue at once."""
    to_queue = CONFIG.replace("{number: '*', flow: main}", "{number: '*', queue: support}")
    system = System(tmp_path, to_queue)
    system.start()
    try:
        yield system
    finally:
        system.stop()
    complaints = [line for line in system.complaints() if "died after" not in line]
    assert not complaints, complaints


def signed_in(system: System, phone: Peer) -> None:
    password = system.password("101")
    challenge = phone.register("101")
    assert phone.register("101", password=password, challenge=challenge).status == 200
    with system.client() as client:
        done = client.post("/agents/anna/presence", json={"presence": "available"})
        assert done.status_code < 300, done.text


def picked_up(phone: Peer, within_s: float = 10.0) -> Message:
    """The INVITE that rang the phone; it is answered."""
    invite = phone.wait_for("INVITE", within_s=within_s)
    phone.reply(invite, 200, tag="phone", body=sdp(phone.host))
    phone.wait_for("ACK", within_s=within_s)
    return invite


def test_a_call_over_tcp_talks_on_over_the_same_streams(killed: System) -> None:
    with (
        Peer(killed.sip_tcp, "127.0.0.1", "tcp") as phone,
        Peer(killed.sip_tcp, TRUNK, "tcp") as caller,
    ):
        signed_in(killed, phone)
        answer = caller.call("200", CALLER)
        picked_up(phone)
        for _ in range(2):
            kill_the_engine(killed)
        assert not caller.closed
        assert not phone.closed
        assert caller.bye(answer).status == 200
        assert phone.wait_for("BYE")
        killed.wait_for_tickets(CALLER, 1)


def test_a_bye_by_tcp_explains_the_silence_that_workers_noticed(killed: System) -> None:
    """No RTP at all: both sides time out after five seconds, while no engine is there."""
    with (
        Peer(killed.sip_tcp, "127.0.0.1", "tcp") as phone,
        Peer(killed.sip_tcp, TRUNK, "tcp") as caller,
    ):
        signed_in(killed, phone)
        answer = caller.call("200", CALLER)
        picked_up(phone)
        time.sleep(1)
        killed.signal("engine", signal.SIGSTOP)  # it is killed in five seconds
        assert caller.ask(caller.within("BYE", answer, 2), within_s=15.0).status == 200
        assert phone.wait_for("BYE", within_s=10)
        (ticket,) = killed.wait_for_tickets(CALLER, 1)
        assert ticket["outcome"] == "answered"


def test_a_phone_is_rung_over_the_stream_that_it_registered_on(killed: System) -> None:
    with Peer(killed.sip_tcp, "127.0.0.1", "tcp") as phone, Peer(killed.sip, TRUNK) as caller:
        signed_in(killed, phone)
        kill_the_engine(killed)
        answer = caller.call("200", LATER)
        assert phone.wait_for("INVITE")
        caller.bye(answer)
        killed.wait_for_tickets(LATER, 1)


def test_a_stream_that_is_cut_in_a_message_is_closed(killed: System) -> None:
    """Its phone is called through a new one: its Contact names the host that it came from."""
    with Peer(killed.sip_tcp, TRUNK, "tcp") as caller:
        assert caller.ask(caller.request("OPTIONS", "100", caller=CALLER)).status == 200
        with Peer(killed.sip_tcp, "127.0.0.1", "tcp") as phone:
            signed_in(killed, phone)
            phone.send(b"OPTIONS sip:offhook.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1")
            time.sleep(0.5)  # nobody says that half a message was read
            kill_the_engine(killed)
            assert phone.receive() is None
            assert phone.closed
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((phone.host, phone.port))
            listener.listen()
            listener.settimeout(15)
            answer = caller.call("200", CALLER)  # over the stream that stayed
            stream, _ = listener.accept()
            with stream:
                stream.settimeout(10)
                rings = stream.recv(65_535)
            assert rings.startswith(f"INVITE sip:peer@127.0.0.1:{phone.port};".encode())
            assert caller.bye(answer).status == 200
    assert "1 TCP streams were cut" in killed.log_text()
    killed.wait_for_tickets(CALLER, 1)
