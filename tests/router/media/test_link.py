"""The engine's connection: generations, answers, reports kept, and what is no engine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.media.frames import (
    ANSWER,
    FIGURE,
    FRAME_BYTES_MAX,
    REPORT,
    FrameError,
    Splitter,
    decode_command,
    decode_from_worker,
    encode_answer,
    encode_command,
    encode_figure,
    encode_report,
)
from router.media.link import Link
from router.media.loop import Loop, LoopClock
from router.media.outbox import Outbox
from router.media.protocol import (
    Acknowledge,
    Answer,
    Close,
    Closed,
    Command,
    Digit,
    Done,
    Hello,
    LegFigures,
    ListSessions,
    MediaTimeout,
    Open,
    Play,
    PlayEnded,
    RecordingSegment,
    Refused,
    Sessions,
    SessionState,
    StopRecord,
    Update,
    Welcome,
    WorkerFigures,
)


class Engine:
    """The far end of a connection, without asyncio."""

    def __init__(self, office: Office, generation: int) -> None:
        self.office = office
        self.generation = generation
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(office.path)
        self.socket.setblocking(False)
        self.splitter = Splitter()
        self.number = 0
        office.engines.append(self)

    def send(self, *commands: Command) -> None:
        for command in commands:
            self.number += 1
            self.socket.send(encode_command(self.generation, self.number, command))
        self.office.work()

    def received(self) -> list[object]:
        """Bodies received since the last call; reports as (number, report)."""
        try:
            while data := self.socket.recv(65_536):
                self.splitter.feed(data)
        except OSError:
            pass
        found: list[object] = []
        while (frame := self.splitter.next()) is not None:
            kind, number, body = decode_from_worker(frame)
            found.append((number, body) if kind == REPORT else body)
        return found

    @property
    def cut_off(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except BlockingIOError:
            return False


class Office:
    """A link on a real unix socket, and a loop on a clock that stands."""

    def __init__(self, path: str) -> None:
        self.path = path
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(8)
        self.commands: list[Command] = []
        self.loop = Loop(LoopClock(lambda: 0, lambda: 0.0))
        self.link = Link("w0", listener, self.loop, self.handle, lambda: 3)
        self.engines: list[Engine] = []

    def handle(self, command: Command) -> Answer:
        self.commands.append(command)
        if isinstance(command, StopRecord):
            raise ZeroDivisionError
        return Done()

    def work(self) -> None:
        while self.loop.epoll.poll(0) or self.link.busy:
            self.loop.turns(0)
            self.link.proceed()

    def engine(self, generation: int) -> Engine:
        engine = Engine(self, generation)
        engine.send(Hello(f"e{generation}"))
        return engine


@pytest.fixture
def office(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Office]:
    made = Office(str(tmp_path / "s"))
    yield made
    for engine in made.engines:
        engine.socket.close()
    for connection in made.link.connections.values():
        connection.sock.close()
    made.link.listener.close()
    made.loop.close()


def test_hello_then_commands(office: Office) -> None:
    engine = office.engine(5)
    (welcome,) = engine.received()
    assert isinstance(welcome, Welcome)
    assert (welcome.worker, welcome.sessions, welcome.first_report) == ("w0", 3, 0)
    commands = [Close(f"s{number}") for number in range(100)]
    engine.send(*commands)
    assert office.commands == commands
    assert engine.received() == [Done()] * 100


def test_reports_are_kept_until_acknowledged_and_sent_again(office: Office) -> None:
    reports = [Digit("s", key, 1.5) for key in "123"]
    office.link.report(reports[0])
    first = office.engine(1)
    welcome, *told = first.received()
    assert isinstance(welcome, Welcome)
    assert welcome.first_report == 1
    assert told == [(1, reports[0])]
    office.link.report(reports[1])
    office.link.report(reports[2])
    assert first.received() == [(2, reports[1]), (3, reports[2])]
    first.send(Acknowledge(2))
    first.socket.close()
    office.work()
    assert office.link.engine is None
    second = office.engine(2)
    assert second.received()[1:] == [(3, reports[2])]
    second.send(Acknowledge(3), Acknowledge(3))
    assert second.received() == []
    assert len(office.link.outbox) == 0


def test_the_newer_engine_replaces_the_older(office: Office) -> None:
    old = office.engine(1)
    old.received()
    new = office.engine(2)
    assert isinstance(new.received()[0], Welcome)
    assert old.cut_off
    stale = office.engine(1)
    (answer,) = stale.received()
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("stale generation 1")
    stale.send(Close("s"))
    assert isinstance(stale.received()[0], Refused)
    assert office.commands == []
    new.send(Close("s"))
    assert new.received() == [Done()]
    same = office.engine(2)
    assert isinstance(same.received()[0], Welcome)
    assert new.cut_off


def test_no_command_before_hello_and_a_fault_is_not_the_end(office: Office) -> None:
    engine = Engine(office, 1)
    engine.send(Close("s"))
    assert isinstance(engine.received()[0], Refused)
    engine.send(Hello("e"), StopRecord("r"), Close("s"))
    _, fault, done = engine.received()
    assert fault == Refused("fault in the worker: ZeroDivisionError")
    assert done == Done()


@pytest.mark.parametrize(
    "noise",
    [
        b"\xff" * 100,
        b"\x00\x00\x00\x01\x00",
        b"\x00\x00\x00\x02\x93\x01",
        b"GET / HTTP/1.1",
    ],
)
def test_noise_is_cut_off(office: Office, noise: bytes) -> None:
    engine = office.engine(1)
    stranger = Engine(office, 1)
    stranger.socket.send(noise)
    office.work()
    assert stranger.cut_off
    engine.received()
    engine.send(Close("s"))
    assert engine.received() == [Done()]


def test_strangers_are_few(office: Office) -> None:
    engine = office.engine(1)
    strangers = [Engine(office, 1) for _ in range(8)]
    office.work()
    assert len(office.link.connections) == 5
    assert strangers[0].cut_off
    assert not engine.cut_off or engine.received()


def test_an_engine_that_does_not_read_keeps_its_reports(office: Office) -> None:
    engine = office.engine(1)
    big = RecordingSegment("r", "x" * 500_000, 0, 1, 2, 3)
    for _ in range(30):
        office.link.report(big)
        office.work()
    received = engine.received()
    for _ in range(200):
        office.work()
        received += engine.received()
    assert received[1:] == [(number, big) for number in range(1, 31)]
    for _ in range(100):
        office.link.report(big)
    assert office.link.engine is None
    assert len(office.link.outbox) == 130


def test_the_outbox_gives_up_digits_first() -> None:
    outbox = Outbox(kept_max=4)
    timeout = MediaTimeout("s", 1.0)
    outbox.add(timeout)
    for key in "12":
        outbox.add(Digit("s", key, 0))
    outbox.add(timeout)
    outbox.add(timeout)
    outbox.add(timeout)
    outbox.add(timeout)
    assert outbox.discarded == 3
    numbers = [decode_from_worker(frame[4:])[1] for frame in outbox.frames()]
    assert numbers == [4, 5, 6, 7]
    assert outbox.first == 4
    outbox.acknowledge(6)
    assert (outbox.first, len(outbox)) == (7, 1)
    outbox.acknowledge(99)
    assert (outbox.first, len(outbox)) == (0, 0)


STATE = SessionState(
    "s", 4000, True, ("::1", 5), None, 8, None, "inactive", "p", "t", "r", LegFigures(1, 2, 3, 4.5)
)
COMMANDS = [
    Hello("e"),
    ListSessions(),
    Open("s", True, 4000, 3.5),
    Update("s", ("127.0.0.1", 4000), ("127.0.0.1", "::1"), 8, None, "sendonly"),
    Update("s", None, (), 0, 101),
    Play("s", "p", ("a", "b"), ("c",), True),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_travel(command: Command) -> None:
    assert decode_command(encode_command(3, 4, command)[4:]) == (3, 4, command)


def test_answers_reports_and_figures_travel() -> None:
    for answer in (Sessions((STATE, STATE)), Closed("s", LegFigures()), Refused("no")):
        assert decode_from_worker(encode_answer(9, answer)[4:]) == (ANSWER, 9, answer)
    for report in (PlayEnded("s", "p", True, 2.5), RecordingSegment("r", "p", 1, 2, 3, 4, "e")):
        assert decode_from_worker(encode_report(9, report)[4:]) == (REPORT, 9, report)
    figure = WorkerFigures("w", 1, 2, 3, 4, 5, 6.5, 7.5)
    assert decode_from_worker(encode_figure(figure)[4:]) == (FIGURE, 0, figure)


@given(st.binary(max_size=300))
def test_noise_is_no_frame(noise: bytes) -> None:
    for decode in (decode_command, decode_from_worker):
        with pytest.raises(FrameError):
            decode(noise)


@given(st.lists(st.binary(max_size=50), max_size=10), st.lists(st.integers(1, 30)))
def test_frames_are_cut_wherever_the_stream_breaks(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    splitter, found = Splitter(), []
    while stream:
        size = cuts.pop() if cuts else len(stream)
        splitter.feed(stream[:size])
        stream = stream[size:]
        while (body := splitter.next()) is not None:
            found.append(body)
    assert found == bodies


def test_a_frame_too_long_is_an_error() -> None:
    splitter = Splitter()
    splitter.feed((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))
    with pytest.raises(FrameError):
        splitter.next()
