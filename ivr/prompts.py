"""Prompts to files that a media worker can play: shipped, converted, or spoken and cached."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from config.errors import ConfigError, PeerError
from ivr import templates
from ivr.actions import Audio, Phrase, Prompt, Speech
from ivr.audio_format import AudioError, encode, from_wav
from ivr.cache import AudioCache, key_of
from ivr.catalogue import catalogue
from ivr.flow import Flow, Line, prompts_of
from ivr.loader import FlowSet
from ivr.tts import REMEDY, NoTts, Tts, Voice
from ivr.walk import prompt_of

log = logging.getLogger(__name__)

AUDIO_BYTES_MAX = 64_000_000
FORMAT = "1"  # grows when conversion or levels change: cached files are then made anew
YEAR_S = 365 * 86_400.0
DAY_S = 86_400.0


class PromptError(PeerError):
    """A prompt cannot be played; the text says why."""


class PromptStore:
    """Finds or makes the mu-law file of a prompt.

    What flows say without variables is made by ``prepare`` at load, so that no caller waits for
    it, and kept for a year of use. What holds a caller's values goes after a day.
    """

    def __init__(self, cache_dir: Path, tts: Tts) -> None:
        self._static = AudioCache(cache_dir / "static", files_max=5000, age_s=YEAR_S)
        self._run = AudioCache(cache_dir / "run", files_max=2000, age_s=DAY_S)
        self._tts = tts
        self._ready: dict[Prompt, Path] = {}

    async def prepare(self, flows: FlowSet, languages: Collection[str] = ("en",)) -> None:
        """Make everything static that the flows say. ``languages``: those that calls begin in.

        Raises one ConfigError that lists what cannot be made, with file, line and remedy.
        """
        wrong: list[ConfigError] = []
        ready: dict[Prompt, Path] = {}

        async def make(prompt: Prompt, flow: Flow, node: str) -> None:
            try:
                ready[prompt] = await self._make(prompt, self._static)
            except (PeerError, OSError) as error:
                wrong.append(_error(flow, node, str(error)))

        async with asyncio.TaskGroup() as group:
            for prompt, (flow, node) in _static_prompts(flows, languages).items():
                group.create_task(make(prompt, flow, node))
        if isinstance(self._tts, NoTts):
            wrong += [
                _error(flow, node, f"text needs espeak-ng; {REMEDY}")
                for flow, node, line in _lines(flows)
                if line.kind == "text" and templates.names(line.value)
            ]
        if wrong:
            raise _one(wrong)
        self._ready = ready

    async def resolve(self, prompt: Prompt) -> Path:
        """The file of one prompt. Raises PromptError, TtsError, AudioError or OSError."""
        ready = self._ready.get(prompt)
        return ready if ready is not None else await self._make(prompt, self._run)

    def at_once(self, prompts: Sequence[Prompt]) -> tuple[str, ...] | None:
        """The files to play where all are there already (shipped or prepared), else None."""
        found: list[str] = []
        for prompt in prompts:
            if isinstance(prompt, Phrase):
                parts = _shipped(prompt.name, prompt.language)
                if not parts:
                    return None
                found += parts
            elif isinstance(prompt, Audio) and prompt.file.endswith(".ulaw"):
                found.append(prompt.file)
            else:
                ready = self._ready.get(prompt)
                if ready is None:
                    return None
                found.append(str(ready))
        return tuple(found)

    async def files(self, prompts: Sequence[Prompt]) -> tuple[str, ...]:
        """Files to play one after the other. A prompt that cannot be made is left out."""
        found: list[str] = []
        for prompt in prompts:
            try:
                if isinstance(prompt, Phrase):
                    found += map(str, _parts(prompt))
                else:
                    found.append(str(await self.resolve(prompt)))
            except (PeerError, OSError) as error:
                log.warning("a %s prompt is left out: %s", type(prompt).__name__.lower(), error)
        return tuple(found)

    async def _make(self, prompt: Prompt, cache: AudioCache) -> Path:
        match prompt:
            case Phrase():
                return await self._phrase(_parts(prompt), cache)
            case Audio(file):
                return Path(file) if file.endswith(".ulaw") else await self._audio(file, cache)
            case Speech(text, language):
                return await self._speech(text, language, cache)

    async def _phrase(self, parts: tuple[Path, ...], cache: AudioCache) -> Path:
        if len(parts) == 1:
            return parts[0]
        sound = await asyncio.to_thread(_join, parts)

        async def make() -> bytes:
            return sound

        return await cache.get(key_of("joined", sound), make)

    async def _audio(self, file: str, cache: AudioCache) -> Path:
        data = await asyncio.to_thread(_read, Path(file))

        async def make() -> bytes:
            return await asyncio.to_thread(_converted, data)

        return await cache.get(key_of("audio", FORMAT, data), make)

    async def _speech(self, text: str, language: str, cache: AudioCache) -> Path:
        texts = catalogue().languages.get(language)
        if texts is None:
            raise PromptError(f"there is no voice for the language {language!r}")
        voice = Voice(texts.voice, texts.speed)
        key = key_of("speech", FORMAT, self._tts.engine, voice.name, str(voice.speed), text)

        async def make() -> bytes:
            samples = await self._tts.speak(text, voice)
            return await asyncio.to_thread(encode, samples)

        return self._static.find(key) or await cache.get(key, make)


@lru_cache(maxsize=4096)
def _shipped(name: str, language: str) -> tuple[str, ...]:
    """The files of a shipped phrase; () where there is none."""
    return tuple(map(str, catalogue().files(name, language)))


def _parts(phrase: Phrase) -> tuple[Path, ...]:
    parts = catalogue().files(phrase.name, phrase.language)
    if not parts:
        raise PromptError(f"there is no such phrase in {phrase.language!r}")
    return parts


def _join(parts: Sequence[Path]) -> bytes:
    return b"".join(part.read_bytes() for part in parts)


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(AUDIO_BYTES_MAX + 1)
    if len(data) > AUDIO_BYTES_MAX:
        raise AudioError(f"is larger than {AUDIO_BYTES_MAX} bytes; shorten it")
    return data


def _converted(data: bytes) -> bytes:
    return encode(from_wav(data))


# --- what flows say -----------------------------------------------------------------------------


def _lines(flows: FlowSet) -> Iterator[tuple[Flow, str, Line]]:
    for flow in flows.flows.values():
        for name, node in flow.nodes.items():
            for line in prompts_of(node):
                yield flow, name, line


def _static_prompts(flows: FlowSet, languages: Collection[str]) -> dict[Prompt, tuple[Flow, str]]:
    """Every prompt without variables, with a node that says it."""
    found: dict[Prompt, tuple[Flow, str]] = {}
    for flow, node, line in _lines(flows):
        if not (line.kind != "audio" and templates.names(line.value)):
            own = line.language or flow.language
            for language in (own,) if own else languages:
                if (prompt := prompt_of(line, line.value, language)) is not None:
                    found.setdefault(prompt, (flow, node))
    return found


def _error(flow: Flow, node: str, problem: str) -> ConfigError:
    return ConfigError(flow.file or flow.name, flow.lines.get(node, 1), f"nodes.{node}", problem)


def _one(wrong: list[ConfigError]) -> ConfigError:
    first, *others = sorted(wrong, key=lambda error: (error.file, error.line))
    told = "\n".join([first.problem, *map(str, others)])
    return ConfigError(first.file, first.line, first.field, told)
