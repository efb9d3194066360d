"""The shipped phrases: which there are in a language, and the files that make one up.

Languages are data: ``phrases/<language>.yaml`` with its rendered ``audio/<language>/*.ulaw``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from config.section import Section
from config.yaml_lines import load_yaml, validate

HERE = Path(__file__).parent
TEXTS_DIR = HERE / "phrases"
AUDIO_DIR = HERE / "audio"
MUSIC = AUDIO_DIR / "music.ulaw"
BEEP = "voicemail-beep"

SHOWN = "number-42, digits-0371, position-3, wait-5, press-1-for-callback"
_COMPOSED = re.compile(
    r"(?:(number|position|wait)-(\d{1,9})|(digits)-([0-9*#]{1,32})|press-([0-9*#])-for-(callback))"
)
_KEY_NAMES = {"*": "star", "#": "hash"}


class Language(Section):
    """The texts of one language. ``voice`` and ``speed`` (words a minute) are espeak-ng's."""

    voice: str
    speed: int = Field(155, ge=80, le=300)
    phrases: dict[str, str]
    composed: dict[str, tuple[str, ...]]
    keys: dict[str, str]
    numbers: dict[int, str]

    def texts(self) -> dict[str, str]:
        """Name of each audio file -> what it says."""
        numbers = {f"n-{number}": text for number, text in self.numbers.items()}
        keys = {f"n-{_KEY_NAMES[key]}": text for key, text in self.keys.items()}
        return {**self.phrases, **numbers, **keys}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every language shipped."""

    languages: Mapping[str, Language]

    def names(self, language: str) -> list[str]:
        return sorted([*self.languages[language].phrases, BEEP])

    def files(self, name: str, language: str) -> tuple[Path, ...]:
        """The audio of a phrase, in order; () where there is no such phrase."""
        texts = self.languages.get(language)
        if texts is None:
            return ()
        if name == BEEP:
            return (AUDIO_DIR / f"{BEEP}.ulaw",)
        if name in texts.phrases:
            return (_file(name, language),)
        found = _COMPOSED.fullmatch(name)
        if found is None:
            return ()
        kind, number, digits, keys, key, callback = found.groups()
        if digits:
            return _spelled(keys, language)
        said = _spelled(key, language) if callback else _counted(int(number), texts, language)
        if kind == "number":
            return said
        parts: list[Path] = []
        for part in texts.composed[kind or callback]:
            parts.extend(said if part == "N" else (_file(part, language),))
        return tuple(parts)


def _file(name: str, language: str) -> Path:
    return AUDIO_DIR / language / f"{name}.ulaw"


def _spelled(keys: str, language: str) -> tuple[Path, ...]:
    return tuple(_file(f"n-{_KEY_NAMES.get(key, key)}", language) for key in keys)


def _counted(number: int, texts: Language, language: str) -> tuple[Path, ...]:
    """A number in words: hundred, tens, ones. Beyond the shipped words digit by digit."""
    if number > max(texts.numbers) + 99:
        return _spelled(str(number), language)
    parts = []
    rest = number
    while rest not in texts.numbers:
        largest = max(known for known in texts.numbers if known < rest)
        parts.append(largest)
        rest -= largest
    return tuple(_file(f"n-{part}", language) for part in [*parts, rest])


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Read once: the texts belong to the program."""
    return Catalogue(
        {
            path.stem: validate(Language, load_yaml(path))
            for path in sorted(TEXTS_DIR.glob("*.yaml"))
        }
    )
