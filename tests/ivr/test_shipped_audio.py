"""What is shipped: every phrase in every language, at its level, and nothing more."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from config.settings import Settings
from ivr.audio_format import active_dbfs, decode, level_dbfs
from ivr.catalogue import AUDIO_DIR, BEEP, MUSIC, TEXTS_DIR, catalogue
from ivr.music import compose

LANGUAGES = sorted(catalogue().languages)
NEEDED = (
    "please-hold",
    "position-3",
    "wait-5",
    "press-1-for-callback",
    "press-*-for-callback",
    "callback-confirmed",
    "invalid",
    "no-input",
    "again",
    "you-entered",
    "confirm-or-again",
    "goodbye",
    "agent-lost",
    "voicemail-greeting",
    "voicemail-beep",
    "closed",
    "transfer",
    "connecting",
    "signed-in",
    "signed-out",
    "on-break",
    "ready",
    "number-0",
    "number-42",
    "number-999",
    "number-1234",
    "digits-0123456789*#",
)


def test_the_languages_of_the_settings_are_shipped() -> None:
    assert LANGUAGES == ["en", "lv", "ru", "uk"]
    for language in LANGUAGES:
        assert Settings(language=language).language == language  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_has_its_audio_and_every_file_its_phrase(language: str) -> None:
    shipped = {file.stem for file in (AUDIO_DIR / language).iterdir()}
    texts = catalogue().languages[language]
    assert shipped == set(texts.texts())
    assert set(texts.phrases) == set(catalogue().languages["en"].phrases)
    for name in NEEDED:
        files = catalogue().files(name, language)
        assert files, name
        assert all(file.is_file() for file in files), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_speech_is_at_its_level(language: str) -> None:
    for file in sorted((AUDIO_DIR / language).iterdir())[::4]:
        samples = decode(file.read_bytes())
        assert active_dbfs(samples) == pytest.approx(-18, abs=1.0), file.name
        assert 0.2 < len(samples) / 8000 < 15, file.name
        assert max(map(abs, samples)) < 0.97
        assert not any(samples[:400]), file.name
        assert not any(samples[-400:]), file.name


def words(language: str, number: int) -> list[str]:
    return [file.stem for file in catalogue().files(f"number-{number}", language)]


def test_numbers_in_words() -> None:
    assert words("en", 0) == ["n-0"]
    assert words("en", 13) == ["n-13"]
    assert words("ru", 42) == ["n-40", "n-2"]
    assert words("lv", 105) == ["n-100", "n-5"]
    assert words("uk", 199) == ["n-100", "n-90", "n-9"]
    assert words("en", 203) == ["n-2", "n-0", "n-3"]
    position = [file.stem for file in catalogue().files("position-21", "en")]
    assert position == ["position-before", "n-20", "n-1", "position-after"]
    assert catalogue().files("position-x", "en") == ()
    assert catalogue().files("../en/welcome", "en") == ()
    assert catalogue().files("welcome", "xx") == ()


def test_the_music_loops_without_a_seam() -> None:
    samples = decode(MUSIC.read_bytes())
    assert 30 <= len(samples) / 8000 <= 60
    assert level_dbfs(samples) == pytest.approx(-20, abs=0.5)
    steps = [abs(after - before) for before, after in itertools.pairwise(samples)]
    assert abs(samples[0] - samples[-1]) <= max(steps)
    quietest = min(level_dbfs(samples[at : at + 4000]) for at in range(0, len(samples), 4000))
    assert quietest > -30
    assert max(steps) < 0.3


def test_the_music_is_what_the_program_composes() -> None:
    made = compose()
    worst = max(
        abs(one - other) for one, other in zip(decode(MUSIC.read_bytes()), made, strict=True)
    )
    assert worst < 0.02


def test_size_and_beep() -> None:
    files = [file for file in AUDIO_DIR.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".ulaw"}
    assert sum(file.stat().st_size for file in files) < 4_000_000
    assert (AUDIO_DIR / f"{BEEP}.ulaw").stat().st_size == 3200


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_caller_is_told_that_agents_are_busy(language: str) -> None:
    text = (Path(TEXTS_DIR) / f"{language}.yaml").read_text(encoding="utf-8").lower()
    assert not re.search(r"busy|заняты|зайнят|aizņemt", text)
