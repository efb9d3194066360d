"""Text to speech as a port, and espeak-ng behind it as a program of its own."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from typing import Protocol

from config.errors import PeerError
from ivr.audio_format import from_wav, normalise, trim

TEXT_MAX = 2000
WAV_BYTES_MAX = 32_000_000
REMEDY = "install it (apt install espeak-ng), or give an audio file or a shipped phrase instead"


class TtsError(PeerError):
    """Speech could not be made; the text says why and what would do."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of the engine. ``speed`` in words a minute."""

    name: str
    speed: int = 155


class Tts(Protocol):
    """Makes speech. ``engine`` names program and version: another one means other audio."""

    @property
    def engine(self) -> str: ...

    async def speak(self, text: str, voice: Voice) -> list[float]:
        """Samples at 8 kHz, level and pauses set. Raises TtsError."""
        ...


class NoTts:
    """Where no engine is installed: every text is an error that names the remedy."""

    engine = "none"

    async def speak(self, text: str, voice: Voice) -> list[float]:
        raise TtsError(f"text needs espeak-ng, which is not installed; {REMEDY}")


class EspeakNg:
    """Runs espeak-ng once a text: the text goes in on stdin, WAV comes out on stdout.

    At most ``at_once`` run at a time, each at most ``timeout_s``.
    """

    def __init__(
        self, program: str, version: str, *, at_once: int = 2, timeout_s: float = 15.0
    ) -> None:
        self._program = program
        self.engine = version
        self._slots = asyncio.Semaphore(at_once)
        self._timeout_s = timeout_s

    async def speak(self, text: str, voice: Voice) -> list[float]:
        if len(text) > TEXT_MAX:
            raise TtsError(f"text is longer than {TEXT_MAX} characters; split it")
        async with self._slots:
            options = ("-v", voice.name, "-s", str(voice.speed), "--stdin", "--stdout")
            wav = await _run(self._program, options, text.encode() + b"\n", self._timeout_s)
            return await asyncio.to_thread(_finish, wav)


def _finish(wav: bytes) -> list[float]:
    if len(wav) > WAV_BYTES_MAX:
        raise TtsError("the speech is too long; split the text")
    return normalise(trim(from_wav(wav)))


async def _run(
    program: str, options: tuple[str, ...], fed: bytes | None, timeout_s: float
) -> bytes:
    """Output of the program. Raises TtsError where it fails, hangs or cannot be started."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *options,
            stdin=asyncio.subprocess.DEVNULL if fed is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise TtsError(f"espeak-ng cannot be started ({error.strerror}); {REMEDY}") from error
    try:
        async with asyncio.timeout(timeout_s):
            out, complaint = await process.communicate(fed)
    except TimeoutError as error:
        raise TtsError(f"espeak-ng took longer than {timeout_s} s; shorten the text") from error
    except RuntimeError as error:  # uvloop: it ended before it read anything
        raise TtsError("espeak-ng does not read its text; check its installation") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 or not out:
        words = complaint.decode(errors="replace").strip()[:200]
        raise TtsError(f"espeak-ng failed ({words or process.returncode}); check the voice")
    return out


async def find_tts(program: str = "espeak-ng") -> Tts:
    """espeak-ng where it is installed and answers, else NoTts."""
    path = shutil.which(program)
    if path is None:
        return NoTts()
    try:
        version = await _run(path, ("--version",), None, 5.0)
    except TtsError:
        return NoTts()
    return EspeakNg(path, version.decode(errors="replace").split("Data at")[0].strip())
