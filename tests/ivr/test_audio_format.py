"""Levels, sample rates and WAV formats."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.audio_format import (
    RATE_HZ,
    AudioError,
    active_dbfs,
    check_wav,
    decode,
    encode,
    from_wav,
    level_dbfs,
    normalise,
    resample,
    trim,
)
from router.media.g711 import ULAW_DECODED


def tone(hz: float, seconds: float, rate_hz: int = RATE_HZ, size: float = 0.5) -> list[float]:
    step = 2 * math.pi * hz / rate_hz
    return [size * math.sin(step * at) for at in range(round(seconds * rate_hz))]


def strength(samples: list[float], hz: float) -> float:
    """Amplitude at one frequency."""
    step = 2 * math.pi * hz / RATE_HZ
    real = sum(sample * math.cos(step * at) for at, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(step * at) for at, sample in enumerate(samples))
    return 2 * math.hypot(real, imaginary) / len(samples)


def wav(form: int, bits: int, channels: int, rate_hz: int, body: bytes, *, size: int = -1) -> bytes:
    width = channels * bits // 8
    head = struct.pack("<HHIIHH", form, channels, rate_hz, rate_hz * width, width, bits)
    data = b"data" + struct.pack("<I", size & 0xFFFFFFFF if size != -1 else len(body)) + body
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # an odd chunk is padded
    return b"RIFF" + struct.pack("<I", 0) + b"WAVE" + odd + b"fmt " + b"\x10\0\0\0" + head + data


@settings(deadline=None)
@given(st.floats(-1, 1))
def test_mu_law_is_off_by_half_a_step_at_most(sample: float) -> None:
    got = decode(encode([sample]))[0] * 32768
    wanted = round(sample * 32767)
    assert abs(got - wanted) <= (abs(wanted) + 132) / 32 + 1  # sixteen steps a segment


def test_every_code_survives() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # the other zero
    assert encode([value / 32767 for value in (ULAW_DECODED[code] for code in codes)]) == codes
    assert encode([2.0, -2.0, 0.0]) == b"\x80\x00\xff"


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 6000])
def test_resampling_keeps_tones_and_drops_what_would_fold(rate_hz: int) -> None:
    got = resample(tone(1000, 0.5, rate_hz), rate_hz)
    assert len(got) == pytest.approx(4000, abs=2)
    assert strength(got[400:-400], 1000) == pytest.approx(0.5, rel=0.02)
    if rate_hz >= 16_000:
        folded = resample(tone(5000, 0.5, rate_hz), rate_hz)  # would come back as 3000 Hz
        assert level_dbfs(folded[400:-400]) < -60


def test_wav_formats() -> None:
    samples = tone(500, 0.25)
    whole = [round(sample * 32767) for sample in samples]
    bodies = {
        (1, 8): bytes(128 + (value >> 8) for value in whole),
        (1, 16): struct.pack(f"<{len(whole)}h", *whole),
        (1, 24): b"".join(struct.pack("<i", value << 8)[:3] for value in whole),
        (1, 32): struct.pack(f"<{len(whole)}i", *(value << 16 for value in whole)),
        (3, 32): struct.pack(f"<{len(whole)}f", *samples),
        (7, 8): encode(samples),
    }
    for (form, bits), body in bodies.items():
        file = wav(form, bits, 1, RATE_HZ, body)
        check_wav(file[:64])
        got = from_wav(file)
        assert len(got) == len(samples)
        worst = max(abs(one - other) for one, other in zip(got, samples, strict=True))
        assert worst < (0.02 if bits == 8 else 0.0002), (form, bits)


def test_stereo_is_mixed_and_extensible_and_streamed_files_are_read() -> None:
    left, right = [8000] * 100, [-4000] * 100
    pairs = [value for both in zip(left, right, strict=True) for value in both]
    body = struct.pack("<200h", *pairs)
    assert from_wav(wav(1, 16, 2, RATE_HZ, body)) == pytest.approx([2000 / 32768] * 100)
    assert len(from_wav(wav(1, 16, 2, RATE_HZ, body, size=-2))) == 100
    guid = struct.pack("<HHIH", 22, 16, 0, 1) + bytes(14)
    head = struct.pack("<HHIIHH", 0xFFFE, 1, RATE_HZ, 16_000, 2, 16) + guid
    file = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(head)) + head + b"data\x04\0\0\0\1\0\2\0"
    assert len(from_wav(file)) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"ID3\x03rest of an mp3", "is no WAV file; give .wav"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "no format"),
        (wav(1, 16, 1, 8000, b"")[:40], "no data"),
        (wav(0x55, 16, 1, 8000, b""), "holds format 85 of 16 bits; export it as 16-bit PCM"),
        (wav(1, 16, 0, 8000, b""), "0 channels"),
        (wav(1, 16, 1, 500_000, b""), "500000 Hz"),
        (wav(6, 8, 1, 8000, bytes(8000 * 601)), "longer than 600 s"),
    ],
)
def test_bad_wav(data: bytes, words: str) -> None:
    with pytest.raises(AudioError) as caught:
        from_wav(data)
    assert words in str(caught.value)


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for file in (data, b"RIFF\0\0\0\0WAVE" + data, wav(1, 16, 1, 8000, b"")[:-8] + data):
        try:
            from_wav(file)
        except AudioError as error:
            assert str(error)  # noqa: PT017


def test_levels() -> None:
    assert level_dbfs(tone(1000, 1, size=1.0)) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs([]) == -math.inf
    speech = tone(300, 0.5, size=0.01) + [0.0] * 4000 + tone(300, 0.5, size=0.02)
    for target in (-18.0, -24.0):
        loud = normalise(speech, target)
        assert active_dbfs(loud) == pytest.approx(target, abs=0.3)
        assert max(map(abs, loud)) < 0.96
    assert normalise([0.0] * 100) == [0.0] * 100


def test_trimming() -> None:
    speech = [0.0] * 8000 + tone(300, 0.5) + [0.0] * 8000 + tone(300, 0.5) + [0.0] * 8000
    cut = trim(speech)
    assert len(cut) / RATE_HZ == pytest.approx(0.06 + 0.5 + 0.35 + 0.5 + 0.06, abs=0.03)
    assert not any(cut[:480])
    assert not any(cut[-480:])
    assert trim([0.0] * 8000) == []
