"""Sound as the media workers play it: raw G.711 mu-law, 8 kHz, mono - from WAV and PCM.

Samples are floats, full scale 1.0. Levels are dBFS of the root mean square, a full-scale
square wave being 0 dBFS. All pure computing: the callers run it outside the event loop.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from operator import mul

from config.errors import PeerError
from router.media.g711 import ALAW_DECODED, ULAW_DECODED, encode_ulaw

RATE_HZ = 8000
SECONDS_MAX = 600
FRAME = 80  # samples in 10 ms
FADE = 24
SPEECH_DBFS = -18.0
SILENCE_DBFS = -48.0
CUTOFF_HZ = 3600.0
ZERO_CROSSINGS = 12

_MU_LAW = tuple(value / 32768 for value in ULAW_DECODED)


class AudioError(PeerError):
    """A sound file cannot be used; the text says why and what would do."""


def encode(samples: Sequence[float]) -> bytes:
    """Samples to mu-law; beyond full scale they are cut."""
    whole = (min(32767, max(-32768, round(sample * 32767))) for sample in samples)
    return encode_ulaw(array("h", whole).tobytes())


def decode(data: bytes) -> list[float]:
    """Mu-law to samples."""
    return [_MU_LAW[code] for code in data]


# --- level and silence ----------------------------------------------------------------------


def level_dbfs(samples: Sequence[float]) -> float:
    """Root mean square in dBFS; -inf for silence."""
    if not samples:
        return -math.inf
    power = sum(map(mul, samples, samples)) / len(samples)
    return 10 * math.log10(power) if power > 0 else -math.inf


def _frames(samples: Sequence[float]) -> list[bool]:
    """Which 10 ms frames hold sound."""
    return [
        level_dbfs(samples[at : at + FRAME]) > SILENCE_DBFS for at in range(0, len(samples), FRAME)
    ]


def active_dbfs(samples: Sequence[float]) -> float:
    """The level of the frames that hold sound: pauses do not count."""
    sounding: list[float] = []
    for at, active in enumerate(_frames(samples)):
        if active:
            sounding.extend(samples[at * FRAME : (at + 1) * FRAME])
    return level_dbfs(sounding)


def trim(samples: Sequence[float], *, edge_s: float = 0.06, pause_s: float = 0.35) -> list[float]:
    """Exactly ``edge_s`` of silence at both ends, at most ``pause_s`` within; 3 ms fades.

    The edges make the gap between words that are played one after the other.
    """
    frames = _frames(samples)
    if True not in frames:
        return []
    first, last = frames.index(True), len(frames) - 1 - frames[::-1].index(True)
    pause = round(pause_s * RATE_HZ / FRAME)
    kept: list[float] = []
    silent = 0
    for at in range(first, last + 1):
        silent = 0 if frames[at] else silent + 1
        if silent <= pause:
            kept.extend(samples[at * FRAME : (at + 1) * FRAME])
    for at in range(min(FADE, len(kept) // 2)):
        kept[at] *= at / FADE
        kept[-1 - at] *= at / FADE
    edge = [0.0] * round(edge_s * RATE_HZ)
    return edge + kept + edge


def normalise(samples: Sequence[float], target_dbfs: float = SPEECH_DBFS) -> list[float]:
    """Bring the active level to the target; peaks bend softly instead of clipping."""
    loaded = list(samples)
    for _ in range(2):  # bending takes a little level away: once more makes up for it
        level = active_dbfs(loaded)
        if level == -math.inf:
            return loaded
        gain = 10 ** ((target_dbfs - level) / 20)
        loaded = [_bend(sample * gain) for sample in loaded]
    return loaded


def _bend(sample: float, knee: float = 0.5, room: float = 0.45) -> float:
    over = abs(sample) - knee
    return sample if over <= 0 else math.copysign(knee + room * math.tanh(over / room), sample)


# --- sample rates ---------------------------------------------------------------------------


def resample(samples: Sequence[float], rate_hz: int) -> list[float]:
    """To 8 kHz, by a windowed-sinc low-pass (Blackman) in one polyphase pass."""
    if rate_hz == RATE_HZ:
        return list(samples)
    divisor = math.gcd(rate_hz, RATE_HZ)
    up, down = RATE_HZ // divisor, rate_hz // divisor
    cutoff = min(CUTOFF_HZ, 0.45 * rate_hz) / rate_hz  # cycles a sample
    half = math.ceil(ZERO_CROSSINGS / (2 * cutoff))
    filters = [_filter(phase / up, cutoff, half) for phase in range(up)]
    padded = [0.0] * half + list(samples) + [0.0] * (half + 1)
    found = []
    for at in range(len(samples) * up // down):
        whole, phase = divmod(at * down, up)
        taps = filters[phase]
        found.append(sum(map(mul, padded[whole + 1 : whole + 1 + len(taps)], taps)))
    return found


def _filter(delay: float, cutoff: float, half: int) -> list[float]:
    """Taps for a point ``delay`` samples after the middle, gain 1 at zero frequency."""
    taps = []
    for at in range(1 - half, half + 1):
        x = at - delay
        angle = 2 * math.pi * cutoff * x
        sinc = 1.0 if x == 0 else math.sin(angle) / angle
        turn = math.pi * (x / half)
        window = 0.42 + 0.5 * math.cos(turn) + 0.08 * math.cos(2 * turn)
        taps.append(sinc * max(window, 0.0))
    total = sum(taps)
    return [tap / total for tap in taps]


# --- WAV ------------------------------------------------------------------------------------


def from_wav(data: bytes) -> list[float]:
    """Samples at 8 kHz, mono, from a WAV file. Raises AudioError."""
    form, channels, rate_hz, bits, body = _wav_parts(data)
    _usable(channels, rate_hz)
    samples = _pcm(form, bits, body)
    mono: Sequence[float] = samples
    if channels > 1:
        sides = [samples[side::channels] for side in range(channels)]
        mono = [sum(values) / channels for values in zip(*sides, strict=False)]
    if len(mono) > SECONDS_MAX * rate_hz:
        raise AudioError(f"is longer than {SECONDS_MAX} s; shorten it")
    return resample(mono, rate_hz)


def check_wav(head: bytes) -> None:
    """Raise AudioError where the first bytes of a file say that ``from_wav`` would refuse it."""
    form, channels, rate_hz, bits, _ = _wav_parts(head)
    _usable(channels, rate_hz)
    _pcm(form, bits, b"")


def _usable(channels: int, rate_hz: int) -> None:
    if not 1 <= channels <= 8 or not 4000 <= rate_hz <= 192_000:
        raise AudioError(f"{channels} channels at {rate_hz} Hz; give mono or stereo, 8-48 kHz")


def _wav_parts(data: bytes) -> tuple[int, int, int, int, bytes]:
    """(format tag, channels, rate, bits, sample bytes) by the chunks of RIFF."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise AudioError("is no WAV file; give .wav (PCM, A-law or mu-law) or raw .ulaw")
    at, form = 12, b""
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]  # a streamed file says 0xffffffff: take what is there
        if name == b"fmt ":
            form = body
        elif name == b"data":
            if len(form) < 16:
                raise AudioError("is a broken WAV file (no format); export it again")
            number = [int.from_bytes(form[a:b], "little") for a, b in _FORMAT]
            tag = number[0]
            if tag == 0xFFFE and len(form) >= 26:  # WAVE_FORMAT_EXTENSIBLE: the tag is in the GUID
                tag = int.from_bytes(form[24:26], "little")
            return tag, number[1], number[2], number[3], body
        at += 8 + size + (size & 1)
    raise AudioError("is a broken WAV file (no data); export it again")


_FORMAT = ((0, 2), (2, 4), (4, 8), (14, 16))


def _pcm(form: int, bits: int, body: bytes) -> Sequence[float]:
    match form, bits:
        case 1, 8:
            return [(value - 128) / 128 for value in body]
        case 1, 16:
            return [value / 32768 for value in memoryview(body[: len(body) & ~1]).cast("h")]
        case 1, 24:
            whole = array("i", b"".join(b"\0" + body[at : at + 3] for at in _steps(body, 3)))
            return [value / 2147483648 for value in whole]
        case 1, 32:
            return [value / 2147483648 for value in memoryview(body[: len(body) & ~3]).cast("i")]
        case 3, 32:
            values = memoryview(body[: len(body) & ~3]).cast("f")
            return [value if abs(value) <= 1.0 else math.copysign(1.0, value) for value in values]
        case 6, 8:
            return [ALAW_DECODED[code] / 32768 for code in body]
        case 7, 8:
            return decode(body)
    raise AudioError(f"holds format {form} of {bits} bits; export it as 16-bit PCM WAV")


def _steps(body: bytes, width: int) -> range:
    return range(0, len(body) - len(body) % width, width)
