"""Telephone-events: each press once, whatever the network does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.media.digits import KEYS, DigitReceiver, DigitSender


def send(digits: str, duration_ms: int) -> list[tuple[int, int, bool, bytes]]:
    """(press, timestamp, marker, payload) of each packet."""
    sender = DigitSender()
    sender.add(digits, duration_ms)
    packets, press, timestamp, step = [], -1, 0, 0
    while not sender.done:
        made = sender.step()
        step += 1
        if made is not None:
            first, payload = made
            if first:
                press, timestamp = press + 1, step * 160
            packets.append((press, timestamp, first, payload))
    return packets


@settings(max_examples=150)
@given(
    st.text(KEYS, min_size=1, max_size=12),
    st.integers(40, 400),
    st.randoms(use_true_random=False),
    st.floats(0, 0.95),
    st.integers(0, 12),
)
def test_each_key_exactly_once(
    digits: str, duration_ms: int, chance: random.Random, loss: float, reorder: int
) -> None:
    """Lost (but for one packet of each press), doubled and reordered packets."""
    packets = send(digits, duration_ms)
    survivors = {
        chance.choice([at for at, packet in enumerate(packets) if packet[0] == press])
        for press in range(len(digits))
    }
    arrived = []
    for at, packet in enumerate(packets):
        if at in survivors or chance.random() >= loss:
            copies = range(1 + (chance.random() < 0.2))
            arrived += [(at + chance.uniform(0, reorder), packet) for _ in copies]
    arrived.sort(key=lambda item: item[0])
    receiver = DigitReceiver()
    heard = []
    for when, (press, timestamp, marker, payload) in arrived:
        key = receiver.take(payload, timestamp, marker, 1, int(when * 160))
        if key:
            heard.append((press, key))
    assert sorted(heard) == list(enumerate(digits))
    if reorder == 0:
        assert "".join(key for _, key in heard) == digits


def test_what_the_sender_sends() -> None:
    """RFC 4733 2.5.1: the marker on the first, growing duration, three ends, then a pause."""
    packets = send("5#", 100)
    assert [packet[2] for packet in packets] == [True] + [False] * 6 + [True] + [False] * 6
    assert [int.from_bytes(p[3][2:], "big") for p in packets[:7]] == [
        160, 320, 480, 640, 800, 800, 800,
    ]  # fmt: skip
    assert [p[3][1] >> 7 for p in packets[:7]] == [0, 0, 0, 0, 1, 1, 1]
    assert packets[7][1] - packets[0][1] >= 100 * 8 + 40 * 8
    assert packets[7][3][0] == 11


def test_a_long_press_in_segments_is_one() -> None:
    receiver = DigitReceiver()
    payload = bytes((3, 10, 0xFF, 0xFF))
    assert receiver.take(payload, 1000, True, 1, 0) == "3"
    assert receiver.take(payload, 1000 + 0xFFFF, False, 1, 70_000) == ""
    assert receiver.take(payload, 1000 + 2 * 0xFFFF, False, 1, 140_000) == ""
    assert receiver.take(payload, 1000 + 3 * 0xFFFF, True, 1, 210_000) == "3"


def test_a_new_source_starts_anew_and_noise_is_no_key() -> None:
    receiver = DigitReceiver()
    assert receiver.take(b"\x01\x0a\x00\xa0", 5, False, 1, 0) == "1"
    assert receiver.take(b"\x01\x0a\x00\xa0", 5, False, 2, 0) == "1"
    assert receiver.take(b"\x10\x0a\x00\xa0", 6, False, 2, 0) == ""
    assert receiver.take(b"\x01\x0a", 7, False, 2, 0) == ""


def test_a_flood_of_keys_is_bounded() -> None:
    receiver = DigitReceiver()
    told = [receiver.take(b"\x01\x0a\x00\xa0", n, True, 1, n) for n in range(10_000)]
    assert sum(map(bool, told)) == 64
    assert receiver.take(b"\x01\x0a\x00\xa0", 99_999, True, 1, 16_100) == "1"


@pytest.mark.parametrize(("digits", "ms"), [("", 100), ("x", 100), ("1", 20), ("1" * 65, 100)])
def test_what_cannot_be_sent(digits: str, ms: int) -> None:
    with pytest.raises(ValueError, match=r"digits|duration"):
        DigitSender().add(digits, ms)
