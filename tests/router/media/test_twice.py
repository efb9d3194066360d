"""Commands that come twice (a new engine performs the last turn again) change nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.media.protocol import (
    Bridge,
    Close,
    Closed,
    Command,
    Digit,
    ListSessions,
    Open,
    Opened,
    PauseRecord,
    Play,
    PlayEnded,
    Record,
    RecordingSegment,
    SendDigits,
    Sessions,
    StopRecord,
    Unbridge,
    Update,
)
from router.media.recording import read_recording
from router.media.rtp import RtpPacket
from tests.router.media.stage import HOST, Phone, Stage, continuous, stage

SESSIONS = ("a", "b", "c")
PLAYS = ("p1", "p2", "p3")


class Act(NamedTuple):
    """A command (made for the stage that it is given to), once or twice, then packets."""

    make: Callable[[Stage], Command]
    twice: bool
    packets: int


def _update(session: str, direction: str) -> Callable[[Stage], Command]:
    def make(scene: Stage) -> Command:
        phone = scene.phones[SESSIONS.index(session)]
        return Update(session, phone.address, (HOST,), phone.payload_type, 101, direction)  # type: ignore[arg-type]

    return make


def _play(
    session: str, play: str, length: int, then: bool, stop: bool
) -> Callable[[Stage], Command]:
    def make(scene: Stage) -> Command:
        files = (scene.audio(play, play[-1].encode() * length),) if length else ()
        music = (scene.audio("m", b"m" * 400),) if then else ()
        return Play(session, play, files, music, stop)

    return make


def _bridge(pair: tuple[str, str], then: bool) -> Callable[[Stage], Command]:
    return lambda scene: Bridge(*pair, (scene.audio("m", b"m" * 400),) if then else ())


def _record(recording: str, pair: tuple[str, str]) -> Callable[[Stage], Command]:
    return lambda scene: Record(recording, str(scene.folder / recording), *pair)


session = st.sampled_from(SESSIONS)
pair = st.sampled_from([("a", "b"), ("a", "c"), ("b", "c")])
recording = st.sampled_from(("r1", "r2"))


def _is(command: Command) -> Callable[[Stage], Command]:
    return lambda _: command


commands: st.SearchStrategy[Callable[[Stage], Command]] = st.one_of(
    st.builds(_update, session, st.sampled_from(("sendrecv", "sendonly", "recvonly"))),
    st.builds(
        _play,
        session,
        st.sampled_from(PLAYS),
        st.sampled_from((0, 500)),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(_bridge, pair, st.booleans()),
    st.builds(_record, recording, pair),
    st.builds(lambda r, paused: _is(PauseRecord(r, paused)), recording, st.booleans()),
    st.builds(lambda r: _is(StopRecord(r)), recording),
    st.builds(lambda s, d: _is(SendDigits(s, d, "5")), session, st.sampled_from(("d1", "d2"))),
    st.builds(lambda s: _is(Unbridge(s)), session),
    st.builds(lambda s: _is(Close(s)), session),
    st.builds(lambda s: _is(Open(s, timeout_s=0.5)), session),
)
acts = st.lists(st.builds(Act, commands, st.booleans(), st.integers(0, 6)), min_size=1, max_size=14)


class Seen(NamedTuple):
    heard: list[list[RtpPacket]]
    files: dict[str, bytes]
    reports: list[object]


def perform(script: list[Act], again: bool) -> Seen:
    with tempfile.TemporaryDirectory() as name, stage(Path(name)) as scene:
        scene.time_ns = 10**9
        phones = [scene.phone(s, 8 if s == "b" else 0, timeout_s=0.5) for s in SESSIONS]
        for number, (make, twice, packets) in enumerate(script):
            command = make(scene)
            answer = scene.do(command)
            if twice and again:
                assert scene.do(command) == answer
            scene.talk(*phones, count=packets, payload=bytes((number,)) * 160)
        for recorder in tuple(scene.exchange.tapes.recorders):
            scene.do(StopRecord(recorder))
        files = {path.name: path.read_bytes() for path in Path(name).glob("r*")}
        reports = [_unplaced(report) for report in scene.reports]
        return Seen([phone.heard() for phone in phones], files, reports)


def _unplaced(report: object) -> object:
    """Without the temporary directory; a segment may be told once more."""
    if isinstance(report, RecordingSegment):
        return report.recording, report.left_packets, report.right_packets
    return report


@settings(max_examples=40, deadline=None)
@given(acts)
def test_each_command_once_or_twice(script: list[Act]) -> None:
    once, twice = perform(script, again=False), perform(script, again=True)
    assert twice.heard == once.heard
    assert twice.files == once.files
    assert list(dict.fromkeys(twice.reports)) == list(dict.fromkeys(once.reports))


def _audio(phone: Phone) -> bytes:
    packets = phone.heard()
    assert continuous(packets)
    return b"".join(packet.payload for packet in packets)


@pytest.mark.parametrize("bridge_last", [True, False])
def test_a_turn_again_is_not_heard(scene: Stage, bridge_last: bool) -> None:
    """The commands of a whole turn come again, in their order."""
    prompt, music = scene.audio("p", b"p" * 3200), scene.audio("m", b"m" * 400)
    left, right = scene.phone("left"), scene.phone("right")
    scene.done(Bridge("left", "right", (music,)))
    scene.talk(left, right, count=5)
    play, bridge = Play("left", "p", (prompt,), (music,)), Bridge("left", "right", (music,))
    turn: list[Command] = [play, bridge] if bridge_last else [bridge, play]
    for command in turn:
        scene.done(command)
    left.heard()
    scene.talk(left, right, count=10, payload=b"t" * 160)
    for command in turn:
        scene.done(command)
    scene.talk(left, right, count=10, payload=b"t" * 160)
    heard = _audio(left)
    assert heard == (b"t" * 3200 if bridge_last else b"p" * 3200)
    assert len(_audio(right)) == 25 * 160


def test_a_play_that_gave_way_does_not_come_back(scene: Stage) -> None:
    files = [scene.audio(name, name.encode() * 1600) for name in "xy"]
    phone = scene.phone("a")
    scene.done(Play("a", "x", (files[0],)))
    scene.pass_ms(40)
    scene.done(Play("a", "y", (files[1],)))
    scene.pass_ms(40)
    scene.done(Play("a", "x", (files[0],)))
    scene.done(Play("a", "y", (files[1],)))
    scene.pass_ms(300)
    heard = _audio(phone)
    assert heard.rstrip(b"\xff") == b"x" * 320 + b"y" * 1600
    assert [report.play for report in scene.of(PlayEnded)] == ["y"]


def test_a_prompt_that_ended_over_a_bridge_is_not_said_again(scene: Stage) -> None:
    prompt = scene.audio("p", b"p" * 320)
    left, right = scene.phone("left"), scene.phone("right")
    scene.done(Bridge("left", "right"))
    scene.talk(left, right, count=5)
    for _ in range(2):
        scene.done(Play("left", "p", (prompt,)))
        scene.done(Bridge("left", "right"))
        scene.done(Play("left", "p", (prompt,)))
        scene.talk(left, right, count=5, payload=b"t" * 160)
    assert _audio(left).count(b"p") == 320
    assert len(scene.of(PlayEnded)) == 1


def test_an_ended_recording_is_told_again_and_not_begun_again(scene: Stage) -> None:
    left, right = scene.phone("left"), scene.phone("right")
    command = Record("r", str(scene.folder / "r.raw"), "left", "right")
    scene.done(command)
    scene.talk(left, right, count=5)
    scene.done(StopRecord("r"))
    before = (scene.folder / "r.raw").read_bytes()
    scene.done(command)
    scene.talk(left, right, count=5)
    first, again = scene.of(RecordingSegment)
    assert first == again
    assert [path.name for path in scene.folder.glob("r*")] == ["r.raw"]
    assert (scene.folder / "r.raw").read_bytes() == before
    scene.do(Close("left")), scene.do(Close("right"))
    scene.done(command)
    assert len(scene.of(RecordingSegment)) == 3


def test_open_and_close_again_answer_the_same(scene: Stage) -> None:
    phone = scene.phone("a")
    scene.talk(phone, count=10)
    leg = scene.exchange.legs["a"]
    assert leg.twin is not None
    assert scene.do(Open("a", port=leg.port)) == Opened("a", leg.port)
    assert scene.do(Open("a")) == Opened("a", leg.port)
    assert leg.twin is not None
    closed = scene.do(Close("a"))
    assert isinstance(closed, Closed)
    assert closed.figures.received == 10
    assert scene.do(Close("a")) == closed


def test_what_was_closed_is_told_to_who_asks_for_the_state(scene: Stage) -> None:
    for name in ("a", "b"):
        scene.phone(name)
    scene.do(Close("a"))
    answer = scene.do(ListSessions())
    assert isinstance(answer, Sessions)
    assert ([state.session for state in answer.sessions], answer.closed) == (["b"], ("a",))


def test_who_is_bridged_to_silence_hears_music(scene: Stage) -> None:
    """Also when the bridge is told again, or a prompt over it ends."""
    music, prompt = scene.audio("m", b"m" * 400), scene.audio("p", b"p" * 320)
    left, right = scene.phone("left"), scene.phone("right", timeout_s=1.0)
    bridge = Bridge("left", "right", (music,))
    scene.done(bridge)
    scene.talk(left, right, count=5)
    scene.talk(left, count=150)
    left.heard()
    scene.done(bridge)
    scene.talk(left, count=5)
    assert _audio(left) == b"m" * 800
    scene.done(Play("left", "p", (prompt,)))
    scene.talk(left, count=5)
    assert _audio(left) == b"p" * 320 + b"m" * 480
    third = scene.phone("third")
    scene.done(Bridge("third", "right", (music,)))
    scene.talk(third, count=5)
    assert _audio(third) == b"m" * 800
    right.heard()
    scene.talk(third, right, count=5, payload=b"t" * 160)
    assert _audio(third)[-640:] == b"t" * 640


def test_a_key_is_sent_once(scene: Stage) -> None:
    phone = scene.phone("a")
    for _ in range(2):
        scene.done(SendDigits("a", "d", "5"))
        scene.pass_ms(300)
    assert len({packet.timestamp for packet in phone.heard()}) == 1
    assert not scene.of(Digit)


def test_a_recording_is_changed_only_where_it_differs(scene: Stage) -> None:
    phones = [scene.phone(name) for name in SESSIONS]
    path = str(scene.folder / "r")
    for right in ("b", "b", "c", "c"):
        scene.done(Record("r", path, "a", right))
        scene.talk(*phones, count=5)
    scene.done(StopRecord("r"))
    with read_recording(path) as reading:
        records = list(reading)
    assert len(records) == 40 + 2  # packets, one change of side, the end
