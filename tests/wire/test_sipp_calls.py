"""SIPp as a trunk that does what the RFCs allow: one scenario each, against one system."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.wire import sipp
from tests.wire.raw_sip import Peer
from tests.wire.system import STRANGER, TRUNK, System

WAITING = "700"  # a queue without agents: music until the caller leaves


class Listener:
    """An RTP port of a caller: when packets came."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((TRUNK, 0))
        self._socket.settimeout(0.1)
        self.port = str(self._socket.getsockname()[1])
        self.times: list[float] = []
        self._on = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._on:
            with contextlib.suppress(TimeoutError):
                data = self._socket.recv(2048)
                if data[0] >> 6 == 2 and data[1] & 0x7F == 8:  # PCMA
                    self.times.append(time.monotonic())

    def end(self) -> None:
        self._on = False
        self._thread.join()
        self._socket.close()

    def silences(self, longer_than_s: float) -> int:
        return sum(b - a > longer_than_s for a, b in zip(self.times, self.times[1:], strict=False))


@pytest.fixture
def rtp() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.end()


@pytest.fixture(scope="module")
def never_acknowledged(system: System) -> Iterator[sipp.Sipp]:
    """Begins first and ends last: it takes the 32 s of RFC 3261 13.3.1.4."""
    running = sipp.start(
        system, "no_ack", number=WAITING, keys={"prefix": "+3712300"}, timeout_s=50
    )
    yield running
    running.end()


@pytest.fixture(autouse=True)
def _meanwhile(never_acknowledged: sipp.Sipp) -> None:
    """The long one runs beside all others."""


def test_late_offer(system: System, rtp: Listener) -> None:
    sipp.run(system, "late_offer", keys={"prefix": "+3712301", "rtp_port": rtp.port})
    assert len(rtp.times) > 40, f"{len(rtp.times)} packets in 1.5 s"
    system.wait_for_tickets("+3712301%", 1)


def test_hold_by_reinvite_and_by_update(system: System, rtp: Listener) -> None:
    """Held, the caller hears nothing; resumed, it goes on."""
    sipp.run(system, "hold", number=WAITING, keys={"prefix": "+3712302", "rtp_port": rtp.port})
    assert rtp.silences(0.4) == 2, f"{rtp.silences(0.4)} silences; {len(rtp.times)} packets"
    assert rtp.silences(0.15) == 2
    system.wait_for_tickets("+3712302%", 1)


def test_reliable_provisional_responses_required(system: System) -> None:
    sipp.run(system, "reliable", keys={"prefix": "+3712303"})
    system.wait_for_tickets("+3712303%", 1)


def test_session_timers(system: System) -> None:
    sipp.run(system, "session_timer", number=WAITING, keys={"prefix": "+3712304"})
    system.wait_for_tickets("+3712304%", 1)


def test_an_unknown_extension_is_refused(system: System) -> None:
    sipp.run(system, "unknown_extension", keys={"prefix": "+3712305"})


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_options(system: System, transport: str) -> None:
    sipp.run(system, "options", transport=transport, keys={"prefix": "+3712306"})


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_bye_for_no_dialog(system: System, transport: str) -> None:
    sipp.run(system, "bye_unknown", transport=transport, keys={"prefix": "+3712307"})


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_over_one_connection(system: System, transport: str) -> None:
    sipp.run(
        system,
        "uac",
        transport=transport,
        calls=30,
        rate=60,
        keys={"prefix": "+371231" + transport[0]},
    )
    system.wait_for_tickets("+371231" + transport[0] + "%", 30)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_stranger_is_refused(system: System, transport: str) -> None:
    sipp.run(system, "stranger", host=STRANGER, transport=transport, keys={"prefix": "+3712308"})


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_trunk_that_proves_itself_by_digest(system: System, transport: str) -> None:
    """From any address: it is known by its password. Its later requests need none."""
    login = "mobile", system.secrets["trunks"]["mobile"]
    prefix = {"prefix": "+371232" + transport[0]}
    at = system.sip if transport == "udp" else system.sip_tcp
    # left alone, SIPp names the host where RFC 7616 3.4.6 wants the Request-URI
    uri = ("-auth_uri", f"100@{at[0]}:{at[1]}")
    options = {"host": STRANGER, "transport": transport, "keys": prefix, "more": uri}
    sipp.run(system, "uac_digest", login=login, **options)
    (call,) = system.wait_for_tickets(prefix["prefix"] + "%", 1)
    assert system.calls(call["caller"])[0]["trunk"] == "mobile"
    for user in ("mobile", "nobody", "trunk"):
        sipp.run(system, "uac_digest_refused", login=(user, "wrong"), **options)


def test_strangers_learn_nothing(system: System) -> None:
    """Any method, any number, known user or not: the same answer but for the ids in it."""
    with Peer(system.sip, STRANGER) as peer:
        answers = {
            (method, user): peer.ask(peer.request(method, user, caller="+3712309")).shape()
            for method in ("INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "FOO", "BYE")
            for user in ("101", WAITING, "", "nobody")
        }
    assert len(set(answers.values())) == 1, answers
    assert answers["INVITE", "101"][0] == "SIP/2.0 401 Unauthorized"


def test_the_200_that_is_never_acknowledged(system: System, never_acknowledged: sipp.Sipp) -> None:
    done = never_acknowledged.finish().check(1)
    copies = done.messages.count("SIP/2.0 200 OK") - 1  # the last one answers the BYE
    assert copies >= 9, f"{copies} copies of the 200"
    (ticket,) = system.wait_for_tickets("+3712300%", 1)
    assert ticket["outcome"] in ("missed", "short-abandoned", "failed", "dropped"), ticket


def test_afterwards_nothing_is_left(system: System) -> None:
    system.nothing_is_left()
    assert not system.tickets("+3712308%")
    assert not system.tickets("+3712309%")
    assert not system.calls("+3712305%")
