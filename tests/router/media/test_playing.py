"""Prompts, music, digits out, timeouts and RTCP of one session, on a virtual clock."""

from __future__ import annotations

import dataclasses
import itertools
import socket
from pathlib import Path

import pytest

from router.media import rtcp
from router.media.audio import AudioCache, AudioError
from router.media.digits import DigitReceiver
from router.media.ears import TOGETHER
from router.media.protocol import (
    Bridge,
    Close,
    Digit,
    MediaTimeout,
    Open,
    Opened,
    Play,
    PlayEnded,
    Refused,
    SendDigits,
    Update,
)
from tests.router.media.stage import HOST, Phone, Stage, continuous, stage


def test_a_prompt_then_music(scene: Stage) -> None:
    prompt, music = scene.audio("p", b"p" * 1000), scene.audio("m", b"m" * 400)
    phone = scene.phone("a")
    scene.done(Play("a", "p1", (prompt, prompt), (music,)))
    scene.pass_ms(1000)
    packets = phone.heard()
    assert len(packets) == 50
    assert continuous(packets)
    assert [packet.marker for packet in packets] == [True] + [False] * 49
    assert {b.timestamp - a.timestamp for a, b in itertools.pairwise(packets)} == {160}
    assert b"".join(packet.payload for packet in packets) == b"p" * 2000 + b"m" * 6000
    ended = scene.of(PlayEnded)
    assert [(report.play, report.by_digit) for report in ended] == [("p1", False)]
    assert ended[0].at == pytest.approx(1_700_000_000 + 12 * 0.02, abs=0.03)


def test_no_engine_no_silence(scene: Stage) -> None:
    """Music while nobody is there to end the silence after a menu; the key is waited for again
    when an engine is back."""
    prompt, music = scene.audio("p", b"p" * 160), scene.audio("m", b"m" * 400)
    ears = scene.exchange.ears
    asked, told = scene.phone("a"), scene.phone("b")
    scene.done(Play("a", "p1", (prompt,), alone=(music,)))
    scene.done(Play("b", "p1", (prompt,)))

    def heard() -> tuple[set[bytes], set[bytes]]:
        scene.pass_ms(200)
        kinds = [
            {packet.payload[:1] for packet in phone.heard() if packet.payload}
            for phone in (asked, told)
        ]
        return kinds[0], kinds[1]

    assert heard() == ({b"p", b"\xff"}, {b"p", b"\xff"})
    ears.keep_company(alone=True)
    assert heard() == ({b"m"}, {b"\xff"})
    scene.done(Play("a", "p1", (prompt,), alone=(music,)))  # the next engine, to be sure
    ears.keep_company(alone=False)
    assert heard() == ({b"\xff"}, {b"\xff"})
    ears.keep_company(alone=True)
    assert heard() == ({b"m"}, {b"\xff"})
    scene.done(Play("a", "p2", (prompt,), (), True, (music,)))
    ears.keep_company(alone=False)
    assert heard()[0] == {b"p", b"\xff"}
    assert [report.play for report in scene.of(PlayEnded)] == ["p1", "p1", "p2"]


def test_a_prompt_that_ends_without_an_engine_is_followed_by_music(scene: Stage) -> None:
    prompt, music = scene.audio("p", b"p" * 1600), scene.audio("m", b"m" * 1600)
    phone, other = scene.phone("a"), scene.phone("b")
    scene.done(Play("a", "p1", (prompt,), alone=(music,)))
    scene.exchange.ears.keep_company(alone=True)
    scene.pass_ms(300)
    assert b"".join(p.payload for p in phone.heard()) == b"p" * 1600 + b"m" * 800
    scene.done(Bridge("a", "b"))  # of the engine that has just said Hello
    scene.exchange.ears.keep_company(alone=False)
    scene.done(Play("a", "p1", (prompt,), alone=(music,)))
    scene.pass_ms(100)
    assert {p.payload[:1] for p in phone.heard()} == {b"\xff"}
    assert not other.heard()


def test_few_players_share_a_step_and_many_spread(tmp_path: Path) -> None:
    with stage(tmp_path, ports=2 * TOGETHER) as scene:  # another process may hold some
        music = scene.audio("m", b"m" * 400)
        for name in (str(number) for number in range(TOGETHER + 1)):
            scene.phone(name)
            scene.done(Play(name, "p", (), (music,)))
        assert [len(players) for players in scene.exchange.ears.players] == [TOGETHER, 1, 0, 0]


def test_the_same_play_again_changes_nothing_and_another_goes_on_in_the_stream(
    scene: Stage,
) -> None:
    prompt, other = scene.audio("p", b"p" * 1600), scene.audio("o", b"o" * 1600)
    phone = scene.phone("a", payload_type=8)
    scene.done(Play("a", "p1", (prompt,)))
    scene.pass_ms(100)
    scene.done(Play("a", "p1", (prompt,)))
    scene.pass_ms(200)
    scene.done(Play("a", "p1", (prompt,)))
    assert len(scene.of(PlayEnded)) == 1
    scene.done(Play("a", "p2", (other,)))
    scene.pass_ms(200)
    packets = phone.heard()
    assert len(packets) == 25
    assert continuous(packets)
    assert [at for at, packet in enumerate(packets) if packet.marker] == [0]
    assert packets[12].payload == b"\xd5" * 160  # silence, in A-law
    assert packets[-1].payload == packets[15].payload != b"o" * 160


def test_a_digit_stops_the_prompt(scene: Stage) -> None:
    prompt, music = scene.audio("p", b"p" * 16_000), scene.audio("m", b"m" * 400)
    phone = scene.phone("a")
    scene.done(Play("a", "p1", (prompt,), (music,), stop_on_digit=True))
    scene.talk(phone, count=10)
    phone.heard()
    for _ in range(3):
        phone.send(b"\x07\x0a\x00\xa0", payload_type=101, timestamp=5)
    scene.read()
    scene.pass_ms(40)
    assert {packet.payload for packet in phone.heard()} == {b"m" * 160}
    assert [(type(r), getattr(r, "key", "")) for r in scene.reports] == [
        (Digit, "7"),
        (PlayEnded, ""),
    ]
    assert scene.of(PlayEnded)[0].by_digit


def test_a_stall_of_the_loop_keeps_time(scene: Stage) -> None:
    phone = scene.phone("a")
    scene.done(Play("a", "p", (scene.audio("p", b"p" * 16_000),)))
    scene.pass_ms(100)
    scene.time_ns += 3_000_000_000
    scene.loop.clock.read()
    scene.exchange.skipped()
    scene.pass_ms(100)
    packets = phone.heard()
    assert continuous(packets)
    assert len(packets) == 10
    assert packets[5].marker
    assert packets[5].timestamp - packets[4].timestamp == 8 * 3020


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_nothing_is_sent_to_who_wants_nothing(scene: Stage, direction: str) -> None:
    phone = scene.phone("a")
    prompt = scene.audio("p", b"p" * 1600)
    scene.done(Update("a", phone.address, (HOST,), 0, 101, direction))  # type: ignore[arg-type]
    scene.done(Play("a", "p1", (prompt,)))
    scene.pass_ms(400)
    assert not phone.heard()
    assert len(scene.of(PlayEnded)) == 1  # time goes on for the flow


def test_digits_are_sent_once_and_the_music_goes_on(scene: Stage) -> None:
    phone = scene.phone("a")
    scene.done(Play("a", "p1", (), (scene.audio("m", b"m" * 1600),)))
    scene.pass_ms(100)
    scene.done(SendDigits("a", "d1", "42#"))
    scene.done(SendDigits("a", "d1", "42#"))
    scene.pass_ms(1000)
    packets = phone.heard()
    receiver, keys = DigitReceiver(), ""
    for now, packet in enumerate(packets):
        if packet.payload_type == 101:
            keys += receiver.take(packet.payload, packet.timestamp, packet.marker, 1, now)
    assert keys == "42#"
    assert continuous(packets)
    assert packets[-1].payload_type == 0
    assert packets[-1].timestamp - packets[0].timestamp == pytest.approx(160 * 54, abs=160)


def test_digits_into_a_bridge(scene: Stage) -> None:
    left, right = scene.phone("left"), scene.phone("right")
    scene.done(Bridge("left", "right"))
    scene.talk(left, right, count=5)
    scene.done(SendDigits("right", "d1", "9"))
    scene.talk(left, right, count=20)
    packets = right.heard()
    assert continuous(packets)
    assert {packet.payload_type for packet in packets} == {0, 101}
    assert packets[-1].payload_type == 0
    assert len(left.heard()) == 25


def test_what_cannot_be_done_is_refused(scene: Stage) -> None:
    phone = scene.phone("a", digits_type=None)
    refused = [
        Play("b", "p", ()),
        Play("a", "p", ("/nowhere/at/all",)),
        Play("a", "p", (str(scene.folder),)),
        Bridge("a", "b"),
        Bridge("a", "a"),
        SendDigits("a", "d", "1"),
        SendDigits("b", "d", "1"),
        Update("b", None, (), 0, None),
        Update("a", phone.address, (), 18, None),
        Update("a", ("example.com", 5), (), 0, None),
        Open("c", port=1),
    ]
    for command in refused:
        assert isinstance(scene.do(command), Refused), command
    scene.done(Update("a", phone.address, (HOST, "example.com", "::1"), 0, 101))
    assert isinstance(scene.do(SendDigits("a", "d", "x")), Refused)
    assert isinstance(scene.do(SendDigits("a", "d", "1", duration_ms=1)), Refused)


def test_ports_run_out_rest_and_come_back(tmp_path: Path) -> None:
    with stage(tmp_path, rest_s=10, ports=2) as scene:
        scene.phone("a")
        scene.phone("b")
        again = scene.do(Open("a"))
        assert isinstance(again, Opened)
        assert again.port % 2 == 0
        refused = scene.do(Open("c"))
        assert isinstance(refused, Refused)
        assert "no port free" in refused.reason
        scene.do(Close("a"))
        assert isinstance(scene.do(Open("c")), Refused)
        scene.time_ns += 10_000_000_000
        assert scene.do(Open("c")) == dataclasses.replace(again, session="c")


def test_a_port_that_another_program_holds_is_passed_over(tmp_path: Path) -> None:
    with stage(tmp_path, ports=3) as scene:
        first = scene.exchange.ports.take(0)
        assert first is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((HOST, first + 2))
            answer = scene.do(Open("a"))
            assert isinstance(answer, Opened)
            assert answer.port == first + 4
            assert isinstance(scene.do(Open("b", port=first + 2)), Refused)


def test_silence_is_told_once_and_the_other_hears_what_follows(scene: Stage) -> None:
    music = scene.audio("m", b"m" * 320)
    left, right = scene.phone("left", timeout_s=2), scene.phone("right", timeout_s=2)
    scene.done(Bridge("left", "right", (music,)))
    scene.talk(left, right, count=10)
    right.heard()
    scene.talk(right, count=200)
    assert [report.session for report in scene.of(MediaTimeout)] == ["left"]
    packets = right.heard()
    assert packets[-1].payload == b"m" * 160
    scene.talk(left, right, count=10)
    assert right.heard()[-1].payload == b"\x11" * 160
    scene.talk(right, count=200)
    assert len(scene.of(MediaTimeout)) == 2


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_who_is_not_to_send_cannot_time_out(scene: Stage, direction: str) -> None:
    phone = scene.phone("a", timeout_s=1)
    scene.done(Update("a", phone.address, (HOST,), 0, 101, direction))  # type: ignore[arg-type]
    scene.pass_ms(5000)
    assert not scene.of(MediaTimeout)
    scene.done(Update("a", phone.address, (HOST,), 0, 101))
    scene.pass_ms(900)
    assert not scene.of(MediaTimeout)
    scene.pass_ms(1200)
    assert len(scene.of(MediaTimeout)) == 1


def test_reports_by_rtcp_both_ways(scene: Stage) -> None:
    phone = scene.phone("a")
    scene.done(Play("a", "p", (), (scene.audio("m", b"m" * 320),)))
    phone.sequence += 1
    scene.talk(phone, count=5)
    phone.sequence += 2  # two are lost
    rtcp_port = Phone(5)
    rtcp_port.port = phone.port + 1
    scene.talk(phone, count=400)
    heard = phone.heard()
    report = rtcp.Report(
        phone.ssrc, (rtcp.Block(heard[0].ssrc, 1, 7, 0, 40, 0, 0),), rtcp.ntp_time(1.7e9), 0, 1, 1
    )
    rtcp_port.raw(rtcp.build(report, "x"))
    rtcp_port.raw(b"noise")
    scene.read()
    figures = scene.exchange.legs["a"].figures()
    assert (figures.remote_lost, figures.remote_jitter_ms) == (7, 5.0)
    assert (figures.received, figures.lost, figures.dropped) == (405, 2, 1)
    scene.pass_ms(6000)
    sent = []
    while True:
        try:
            sent += rtcp.parse(rtcp_port.socket.recv(2048))
        except BlockingIOError:
            break
    rtcp_port.close()
    assert sent
    last = sent[-1]
    assert isinstance(last, rtcp.Report)
    assert last.ntp is not None
    assert last.octets == last.packets * 160
    assert (last.blocks[0].lost, last.blocks[0].ssrc) == (2, phone.ssrc)
    assert last.blocks[0].last_report == rtcp.ntp_middle(1.7e9)


def test_a_flood_of_rtcp_is_not_read(scene: Stage) -> None:
    phone = scene.phone("a")
    for _ in range(500):
        phone.socket.sendto(b"x" * 50, (HOST, phone.port + 1))
    scene.read()
    assert scene.exchange.legs["a"].figures().dropped <= 25


def test_audio_is_read_once_and_again_when_it_changed(tmp_path: Path) -> None:
    cache = AudioCache(bytes_max=1000)
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"a" * 600)
    two.write_bytes(b"b" * 600)
    first = cache.load(str(one))
    assert cache.load(str(one)) is first
    cache.load(str(two))  # pushes the first out
    assert cache.load(str(one)) is not first
    one.write_bytes(b"c" * 10)
    assert cache.load(str(one)) == b"c" * 10
    with pytest.raises(AudioError):
        cache.load(str(tmp_path / "3"))
