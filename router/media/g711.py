"""G.711: A-law, mu-law, 16-bit PCM and the way between them (ITU-T G.711, 8000 samples a second).

Laws are a byte a sample; PCM is 16-bit signed in native byte order, two bytes a sample.
"""

from __future__ import annotations

from array import array
from functools import cache
from operator import itemgetter

ULAW_SILENCE = 0xFF
ALAW_SILENCE = 0xD5


def _decode_ulaw_byte(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 0x07)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _decode_alaw_byte(code: int) -> int:
    code ^= 0x55
    segment, mantissa = code >> 4 & 0x07, (code & 0x0F) << 4
    magnitude = mantissa + 8 if segment == 0 else (mantissa + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def _encode_ulaw_sample(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32_635) + 0x84
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


def _encode_alaw_sample(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(sample if sample >= 0 else ~sample, 32_767) >> 4
    segment = max(0, magnitude.bit_length() - 4)
    mantissa = magnitude >> max(0, segment - 1) & 0x0F
    return (sign | segment << 4 | mantissa) ^ 0x55


ULAW_DECODED = tuple(_decode_ulaw_byte(code) for code in range(256))
ALAW_DECODED = tuple(_decode_alaw_byte(code) for code in range(256))

ULAW_TO_ALAW = bytes(_encode_alaw_sample(sample) for sample in ULAW_DECODED)
ALAW_TO_ULAW = bytes(_encode_ulaw_sample(sample) for sample in ALAW_DECODED)


@cache
def _ulaw_encoder() -> bytes:
    """65,536 bytes: the code of a sample taken as unsigned 16 bits."""
    return bytes(_encode_ulaw_sample(n - 65_536 if n > 32_767 else n) for n in range(65_536))


@cache
def _alaw_encoder() -> bytes:
    return bytes(_encode_alaw_sample(n - 65_536 if n > 32_767 else n) for n in range(65_536))


def _look_up(table: bytes, pcm: bytes) -> bytes:
    samples = memoryview(pcm).cast("H").tolist()
    if len(samples) < 2:
        return bytes(table[sample] for sample in samples)
    return bytes(itemgetter(*samples)(table))


def encode_ulaw(pcm: bytes) -> bytes:
    """16-bit PCM to mu-law. ``len(pcm)`` must be even (ValueError, TypeError otherwise)."""
    return _look_up(_ulaw_encoder(), pcm)


def encode_alaw(pcm: bytes) -> bytes:
    """16-bit PCM to A-law. ``len(pcm)`` must be even (ValueError, TypeError otherwise)."""
    return _look_up(_alaw_encoder(), pcm)


def decode_ulaw(codes: bytes) -> bytes:
    """Mu-law to 16-bit PCM."""
    return array("h", map(ULAW_DECODED.__getitem__, codes)).tobytes()


def decode_alaw(codes: bytes) -> bytes:
    """A-law to 16-bit PCM."""
    return array("h", map(ALAW_DECODED.__getitem__, codes)).tobytes()
