"""G.711: known codes, round trips, and the way between the laws."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.media.g711 import (
    ALAW_DECODED,
    ALAW_TO_ULAW,
    ULAW_DECODED,
    ULAW_TO_ALAW,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
)

ALL = bytes(range(256))
pcm = st.lists(st.integers(-32768, 32767), max_size=400).map(lambda x: array("h", x).tobytes())


def test_known_codes() -> None:
    assert (ULAW_DECODED[0xFF], ULAW_DECODED[0x80], ULAW_DECODED[0x00]) == (0, 32124, -32124)
    assert (ALAW_DECODED[0xD5], ALAW_DECODED[0x55]) == (8, -8)
    assert (ALAW_DECODED[0xAA], ALAW_DECODED[0x2A]) == (32256, -32256)


def test_every_code_survives_pcm() -> None:
    assert encode_alaw(decode_alaw(ALL)) == ALL
    again = encode_ulaw(decode_ulaw(ALL))
    assert [a for a, b in zip(ALL, again, strict=True) if a != b] == [0x7F]  # minus zero


@given(pcm)
def test_the_error_is_within_half_a_step(data: bytes) -> None:
    for encode, decode in ((encode_ulaw, decode_ulaw), (encode_alaw, decode_alaw)):
        back = array("h", decode(encode(data)))
        for sample, value in zip(array("h", data), back, strict=True):
            assert abs(sample - value) <= max(16, abs(sample) / 16 + 8)


def test_between_the_laws() -> None:
    for code in range(256):
        near = ALAW_DECODED[ULAW_TO_ALAW[code]]
        assert abs(near - ULAW_DECODED[code]) <= max(16, abs(ULAW_DECODED[code]) / 16)
        near = ULAW_DECODED[ALAW_TO_ULAW[code]]
        assert abs(near - ALAW_DECODED[code]) <= max(16, abs(ALAW_DECODED[code]) / 16)


def test_half_a_sample_is_an_error() -> None:
    with pytest.raises((ValueError, TypeError)):
        encode_ulaw(b"abc")


@pytest.mark.parametrize("size", [0, 2, 4])
def test_short_input(size: int) -> None:
    assert encode_ulaw(bytes(size)) == b"\xff" * (size // 2)
    assert encode_alaw(bytes(size)) == b"\xd5" * (size // 2)
