"""Two bridged legs: what goes through, rewritten how, and what does not."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.media.g711 import ULAW_TO_ALAW
from router.media.protocol import (
    Bridge,
    Close,
    Closed,
    Digit,
    ListSessions,
    Play,
    Sessions,
    SessionState,
    Unbridge,
    Update,
)
from tests.router.media.stage import Phone, Stage, continuous, stage


def state(scene: Stage, session: str) -> SessionState:
    answer = scene.do(ListSessions())
    assert isinstance(answer, Sessions)
    return next(each for each in answer.sessions if each.session == session)


def bridged(scene: Stage, right_type: int = 0, then: tuple[str, ...] = ()) -> tuple[Phone, Phone]:
    """Two legs that have latched."""
    left, right = scene.phone("left"), scene.phone("right", right_type)
    scene.done(Bridge("left", "right", then))
    scene.talk(left, right, count=4)
    return left, right


def test_both_ways_without_a_loss(scene: Stage) -> None:
    left, right = bridged(scene)
    scene.talk(left, right, count=100)
    for phone, other in ((left, right), (right, left)):
        packets = phone.heard()
        assert len(packets) == 104  # the three before the latch locked included
        assert continuous(packets)
        assert packets[0].marker
        assert not any(packet.marker for packet in packets[1:])
        assert packets[0].ssrc != other.ssrc
        assert packets[-1].timestamp - packets[1].timestamp == 102 * 160
    assert state(scene, "left").latched == left.address
    assert state(scene, "left").figures.received == 104


def test_between_the_laws(scene: Stage) -> None:
    left, right = bridged(scene, right_type=8)
    left.heard(), right.heard()
    sample = bytes(range(160))
    scene.talk(left, count=3, payload=sample)
    packets = right.heard()
    assert [packet.payload for packet in packets] == [sample.translate(ULAW_TO_ALAW)] * 3
    assert {packet.payload_type for packet in packets} == {8}


def test_a_strangers_packets_are_counted_and_dropped(scene: Stage) -> None:
    left, right = bridged(scene)
    right.heard()
    thief = Phone(9)
    thief.port = left.port
    for _ in range(5):
        thief.send()
        scene.talk(left)
    thief.close()
    assert len(right.heard()) == 5
    assert state(scene, "left").figures.dropped == 5
    assert state(scene, "left").latched == left.address


def test_packets_of_another_type_leave_no_gap(scene: Stage) -> None:
    left, right = bridged(scene)
    right.heard()
    for kind in (0, 13, 0, 96, 0):
        left.send(payload_type=kind)
        scene.read()
    packets = right.heard()
    assert [packet.payload_type for packet in packets] == [0, 0, 0]
    assert continuous(packets)
    assert state(scene, "left").figures.dropped == 2


@pytest.mark.parametrize(("far_type", "relayed"), [(96, [96, 96]), (None, [])])
def test_telephone_events_are_mapped_or_dropped(
    scene: Stage, far_type: int | None, relayed: list[int]
) -> None:
    left, right = bridged(scene)
    scene.done(Update("right", right.address, ("127.0.0.1",), 0, far_type))
    right.heard()
    scene.talk(left)
    for _ in range(2):
        left.send(b"\x05\x0a\x00\xa0", payload_type=101, timestamp=77_000)
        scene.read()
    scene.talk(left, count=3)
    packets = right.heard()
    assert [packet.payload_type for packet in packets] == [0, *relayed, 0, 0, 0]
    for before, after in itertools.pairwise(packets):
        assert after.sequence == before.sequence + 1
    assert [report.key for report in scene.of(Digit)] == ["5"]


def test_hold_silences_the_one_side_and_resumes_without_a_gap(scene: Stage) -> None:
    left, right = bridged(scene)
    left.heard(), right.heard()
    scene.done(Update("left", left.address, ("127.0.0.1",), 0, 101, "sendonly"))
    scene.talk(left, right, count=5)
    assert not right.heard()  # left is not to send
    first = left.heard()
    assert len(first) == 5
    scene.done(Update("left", left.address, ("127.0.0.1",), 0, 101, "recvonly"))
    scene.talk(left, right, count=5)
    assert not left.heard()
    before = right.heard()
    assert len(before) == 5
    scene.done(Update("left", left.address, ("127.0.0.1",), 0, 101, "sendrecv"))
    scene.talk(left, right, count=5)
    again = left.heard()
    assert again[0].marker
    assert continuous(first + again)
    assert again[0].timestamp - first[-1].timestamp == 6 * 160


def test_a_phone_that_moves_by_a_new_description_is_followed(scene: Stage) -> None:
    left, right = bridged(scene)
    right.heard()
    moved = Phone(left.ssrc)
    moved.port = left.port
    moved.sequence, moved.timestamp = left.sequence, left.timestamp
    scene.phones.append(moved)
    scene.done(Update("left", moved.address, ("127.0.0.1",), 0, 101))
    left.send()  # still under way
    moved.sequence, moved.timestamp = left.sequence, left.timestamp
    scene.read()
    left.heard()
    scene.talk(moved, right, count=5)
    packets = right.heard()
    assert len(packets) == 6
    assert continuous(packets)
    assert len(moved.heard()) == 5
    assert not left.heard()
    assert state(scene, "left").latched == moved.address


def test_a_new_ssrc_and_a_jump_stay_one_stream(scene: Stage) -> None:
    left, right = bridged(scene)
    left.ssrc, left.sequence, left.timestamp = 4_000, 60_000, 123
    scene.talk(left, count=5)
    left.sequence, left.timestamp = 20_000, 9_999_999
    scene.talk(left, count=5)
    packets = right.heard()
    assert continuous(packets)
    assert len(packets) == 4 + 5 + 4  # the first after the jump waits for its follower
    assert [at for at, packet in enumerate(packets) if packet.marker] == [0, 4, 9]


def test_the_side_that_is_left_hears_what_follows(scene: Stage) -> None:
    music = scene.audio("music", b"\x42" * 480)
    left, right = bridged(scene, then=(music,))
    scene.talk(left, right, count=2)
    left.heard()
    answer = scene.do(Close("right"))
    assert isinstance(answer, Closed)
    assert answer.figures.received == 6
    scene.pass_ms(100)
    packets = left.heard()
    assert len(packets) == 5
    assert {packet.payload for packet in packets} == {b"\x42" * 160}
    assert continuous(packets)
    assert scene.do(Close("right")) == answer


def test_unbridge_and_play_take_the_ear_and_the_bridge_gives_it_back(scene: Stage) -> None:
    music = scene.audio("music", b"\x42" * 480)
    left, right = bridged(scene)
    heard = left.heard()
    right.heard()
    scene.done(Play("left", "whisper", (music,)))
    scene.talk(left, right, count=10)
    packets = left.heard()
    heard += packets
    assert {b"\x42" * 160, b"\x11" * 160} == {packet.payload for packet in packets}
    assert len(right.heard()) == 10  # the mouth stays with the bridge
    scene.done(Unbridge("left", (music,)))
    scene.done(Unbridge("left", (music,)))
    scene.talk(left, right, count=5)
    for phone in (left, right):
        packets = phone.heard()
        assert {packet.payload for packet in packets} == {b"\x42" * 160}
        heard += packets if phone is left else []
    scene.done(Bridge("left", "right"))
    scene.talk(left, right, count=5)
    heard += left.heard()
    assert heard[-1].payload == b"\x11" * 160
    assert continuous(heard)


def test_a_bridge_after_hold_music_gives_the_ear_back(scene: Stage) -> None:
    music = scene.audio("music", b"\x42" * 480)
    left, right = bridged(scene)
    heard = left.heard()
    scene.done(Play("left", "hold-1", (), (music,)))
    scene.talk(left, right, count=10)
    scene.done(Bridge("left", "right"))
    scene.talk(left, right, count=3)
    scene.done(Bridge("left", "right"))
    scene.talk(left, right, count=3)
    packets = left.heard()
    heard += packets
    assert continuous(heard)
    assert [packet.payload[0] for packet in packets[-8:]] == [0x42] * 2 + [0x11] * 6
    assert [packet.marker for packet in packets[-6:]] == [True] + [False] * 5


def test_a_second_bridge_ends_the_first(scene: Stage) -> None:
    music = scene.audio("music", b"\x42" * 480)
    left, right = bridged(scene, then=(music,))
    third = scene.phone("third")
    scene.done(Bridge("left", "third"))
    right.heard()
    scene.talk(left, right, third, count=5)
    assert {packet.payload for packet in right.heard()} == {b"\x42" * 160}
    assert len(third.heard()) == 5
    assert state(scene, "right").bridged == ""
    assert state(scene, "third").bridged == "left"


fates = st.lists(
    st.sampled_from(
        ["ok", "ok", "ok", "lost", "double", "swap", "event", "short", "marker", "new"]
    ),
    max_size=60,
)


def course(scene: Stage, fates: list[str], fast: bool) -> tuple[object, ...]:
    """Run one course of packets through the loop's inlined path, or with it switched off."""
    left, right = bridged(scene)
    right.heard()
    for fate in fates:
        if not fast:
            scene.exchange.legs["left"].inbound.first = -1
        if fate == "lost":
            left.sequence, left.timestamp = left.sequence + 1, left.timestamp + 160
        elif fate == "swap":
            left.send(sequence=left.sequence + 1, timestamp=left.timestamp + 160)
            scene.read()
            left.send(sequence=left.sequence - 1, timestamp=left.timestamp - 160)
        elif fate == "event":
            left.send(b"\x05\x0a\x00\xa0", payload_type=101)
        elif fate == "short":
            left.send(b"\x22" * 80)
        elif fate == "marker":
            left.send(marker=True)
        elif fate == "new":
            left.ssrc += 1
            left.send()
        else:
            left.send()
            if fate == "double":
                left.send(sequence=left.sequence - 1, timestamp=left.timestamp - 160)
                left.sequence, left.timestamp = left.sequence - 1, left.timestamp - 160
        if not fast:
            for _ in range(3):
                scene.exchange.legs["left"].inbound.first = -1
                scene.loop.turns(0)
        scene.read()
        scene.pass_ms(20)
    heard = [packet._replace(ssrc=0) for packet in right.heard()]
    figures = dataclasses.replace(state(scene, "left").figures, dropped=0)
    scene.exchange.legs["left"].inbound.settle()
    out = scene.exchange.legs["right"].out
    return heard, figures, out.sent, out.octets


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fates)
def test_the_inlined_path_does_what_the_other_does(tmp_path: Path, fates: list[str]) -> None:
    with stage(tmp_path) as one:
        fast = course(one, fates, fast=True)
    with stage(tmp_path) as other:
        assert course(other, fates, fast=False) == fast


def test_ipv6(scene: Stage) -> None:
    left, right = scene.phone("left", ipv6=True), scene.phone("right")
    scene.done(Bridge("left", "right"))
    scene.talk(left, right, count=10)
    assert (len(left.heard()), len(right.heard())) == (10, 10)
    assert state(scene, "left").latched == left.address


def test_garbage_and_floods_do_no_harm(scene: Stage) -> None:
    left, right = bridged(scene)
    right.heard()
    noise = Phone(9)
    noise.port = left.port
    for number in range(1500):
        noise.raw(bytes((number % 256,)) * (number % 200))
        left.raw(b"\x80" + bytes(number % 30))
    scene.read()
    scene.pass_ms(1500)
    scene.talk(left, count=10)
    noise.close()
    assert len(right.heard()) >= 5
    assert state(scene, "left").figures.dropped > 100
