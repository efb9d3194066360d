"""The store of prompts: converted and spoken once, told at load where it cannot be."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
import wave
from pathlib import Path

import pytest
import uvloop

from config.errors import ConfigError
from ivr.actions import Audio, Phrase, Speech
from ivr.audio_format import active_dbfs, decode
from ivr.cache import AudioCache, key_of
from ivr.loader import SHIPPED_DIR, FlowSet, load_flows
from ivr.prompts import PromptError, PromptStore
from ivr.tts import EspeakNg, NoTts, TtsError, Voice, find_tts

FLOW = """\
language: ru
start: s
nodes:
  s:
    type: say
    prompt:
      - Добрый день
      - {audio: hint.wav}
      - {phrase: position-7}
      - {text: Hello, language: en}
    next: t
  t:
    type: hangup
    prompt: "Ваш номер {caller}"
"""


class FakeTts:
    """Counts what it is asked to say."""

    engine = "fake 1"

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    async def speak(self, text: str, voice: Voice) -> list[float]:
        self.said.append((voice.name, text))
        await asyncio.sleep(0)
        if text == "broken":
            raise TtsError("espeak-ng failed")
        return [0.1, -0.1] * 400


def flows(folder: Path, text: str = FLOW) -> FlowSet:
    folder.mkdir(exist_ok=True)
    (folder / "main.yaml").write_text(text, encoding="utf-8")
    with wave.open(str(folder / "hint.wav"), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes(bytes(44_100))
    return load_flows(folder, queues=frozenset())


async def test_everything_static_is_made_once_at_load(tmp_path: Path) -> None:
    tts, loaded = FakeTts(), flows(tmp_path / "flows")
    store = PromptStore(tmp_path / "cache", tts)
    await store.prepare(loaded)
    assert sorted(tts.said) == [("en-gb", "Hello"), ("ru", "Добрый день")]
    path = await store.resolve(Speech("Добрый день", "ru"))
    assert len(path.read_bytes()) == 800
    await store.prepare(loaded)
    await PromptStore(tmp_path / "cache", tts).prepare(loaded)
    assert len(tts.said) == 2
    tts.engine = "fake 2"
    await store.prepare(loaded)
    assert len(tts.said) == 4


async def test_values_are_spoken_when_they_are_known(tmp_path: Path) -> None:
    tts = FakeTts()
    store = PromptStore(tmp_path / "cache", tts)
    both = await asyncio.gather(*(store.resolve(Speech("Иван", "ru")) for _ in range(5)))
    assert len(set(both)) == 1
    assert tts.said == [("ru", "Иван")]
    assert both[0].parent.name == "run"
    assert both[0].parent.stat().st_mode & 0o077 == 0
    assert "Иван" not in str(both[0])


async def test_shipped_and_ready_files_are_played_as_they_are(tmp_path: Path) -> None:
    store = PromptStore(tmp_path / "cache", NoTts())
    own = tmp_path / "own.ulaw"
    own.write_bytes(b"\xff" * 80)
    assert await store.resolve(Audio(str(own))) == own
    assert (await store.resolve(Phrase("welcome", "lv"))).parts[-2:] == ("lv", "welcome.ulaw")
    joined = await store.resolve(Phrase("position-21", "en"))
    parts = await store.files([Phrase("position-21", "en")])
    assert len(parts) == 4
    assert joined.read_bytes() == b"".join(Path(part).read_bytes() for part in parts)
    with pytest.raises(PromptError, match="no such phrase"):
        await store.resolve(Phrase("nonsense", "en"))


async def test_audio_is_converted_once(tmp_path: Path) -> None:
    loaded = flows(tmp_path / "flows")
    store = PromptStore(tmp_path / "cache", FakeTts())
    await store.prepare(loaded)
    path = await store.resolve(Audio(str(tmp_path / "flows" / "hint.wav")))
    assert path.parent.name == "static"
    assert path.stat().st_size == 2000  # a quarter of a second
    assert os.listdir(path.parent)


async def test_what_cannot_be_made_is_left_out_and_logged_without_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = PromptStore(tmp_path / "cache", FakeTts())
    prompts = [Speech("broken", "en"), Audio("/absent.wav"), Phrase("goodbye", "en")]
    with caplog.at_level(logging.WARNING):
        assert [Path(file).stem for file in await store.files(prompts)] == ["goodbye"]
    assert len(caplog.records) == 2
    assert "broken" not in caplog.text


async def test_without_an_engine_a_flow_with_text_is_refused_by_line(tmp_path: Path) -> None:
    store = PromptStore(tmp_path / "cache", NoTts())
    loaded = flows(tmp_path / "flows")
    with pytest.raises(ConfigError) as caught:
        await store.prepare(loaded)
    told = str(caught.value).splitlines()
    file = tmp_path / "flows" / "main.yaml"
    assert told[0].startswith(f"{file}:4: nodes.s: text needs espeak-ng, which is not installed")
    assert "apt install espeak-ng" in told[0]
    assert any(row.startswith(f"{file}:12: nodes.t: text needs espeak-ng") for row in told)


async def test_the_shipped_flow_needs_no_engine(tmp_path: Path) -> None:
    loaded = load_flows(SHIPPED_DIR, queues=frozenset({"support"}))
    store = PromptStore(tmp_path / "cache", NoTts())
    await store.prepare(loaded, ("en", "ru", "uk", "lv"))


def test_the_cache_is_bounded_by_number_and_age(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, files_max=150, age_s=3600)
    now = time.time()
    for number in range(200):
        file = tmp_path / f"{number}.ulaw"
        file.write_bytes(b"x")
        os.utime(file, (now - number, now - number))
    os.utime(tmp_path / "3.ulaw", (now - 4000, now - 4000))
    cache.prune()
    left = {int(file.stem) for file in tmp_path.iterdir()}
    assert left == {*range(51)} - {3}
    assert key_of("a", "bc") != key_of("ab", "c")


async def test_writers_side_by_side_do_not_trip_over_each_other(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, files_max=10_000, age_s=3600)

    async def make() -> bytes:
        return b"x"

    await asyncio.gather(*(cache.get(str(number), make) for number in range(1000)))
    assert len(list(tmp_path.iterdir())) == 1000


async def test_a_cancelled_caller_does_not_spoil_it_for_the_next(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, files_max=10, age_s=60)
    begun, go = asyncio.Event(), asyncio.Event()

    async def make() -> bytes:
        begun.set()
        await go.wait()
        return b"sound"

    first = asyncio.create_task(cache.get("k", make))
    await begun.wait()
    second = asyncio.create_task(cache.get("k", make))
    first.cancel()
    go.set()
    assert (await second).read_bytes() == b"sound"


# --- the real espeak-ng -----------------------------------------------------------------------


@pytest.fixture
async def espeak() -> EspeakNg:
    assert shutil.which("espeak-ng"), "this test needs espeak-ng: apt install espeak-ng"
    tts = await find_tts()
    assert isinstance(tts, EspeakNg)
    return tts


@pytest.mark.parametrize(
    ("language", "voice", "text"),
    [
        ("en", "en-gb", "Your order number is 42."),
        ("ru", "ru", "Ваш заказ готов."),
        ("uk", "uk", "Ваше замовлення готове."),
        ("lv", "lv", "Jūsu pasūtījums ir gatavs."),
    ],
)
async def test_espeak_speaks(espeak: EspeakNg, language: str, voice: str, text: str) -> None:
    samples = await espeak.speak(text, Voice(voice))
    assert 0.8 < len(samples) / 8000 < 6
    assert active_dbfs(samples) == pytest.approx(-18, abs=0.5)


async def test_text_is_never_an_option_or_a_command(espeak: EspeakNg, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for text in (f"--path {tmp_path}", f"; touch {mark}", f"$(touch {mark})", "-w out.wav"):
        assert await espeak.speak(text, Voice("en-gb"))
    assert not mark.exists()


async def test_a_flow_is_spoken_and_cached(espeak: EspeakNg, tmp_path: Path) -> None:
    store = PromptStore(tmp_path / "cache", espeak)
    await store.prepare(flows(tmp_path / "flows"))
    path = await store.resolve(Speech("Добрый день", "ru"))
    assert active_dbfs(decode(path.read_bytes())) == pytest.approx(-18, abs=0.5)


async def test_an_engine_that_fails_hangs_or_is_gone(espeak: EspeakNg, tmp_path: Path) -> None:
    with pytest.raises(TtsError, match="check the voice"):
        await espeak.speak("x", Voice("klingon-none"))
    with pytest.raises(TtsError, match="longer than 2000"):
        await espeak.speak("x" * 2001, Voice("en-gb"))
    with pytest.raises(TtsError, match="cannot be started"):
        await EspeakNg(str(tmp_path / "absent"), "1").speak("x", Voice("en-gb"))
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    with pytest.raises(TtsError, match="took longer"):
        await EspeakNg(str(slow), "1", timeout_s=0.05).speak("x", Voice("en-gb"))
    assert isinstance(await find_tts(str(tmp_path / "absent")), NoTts)
    with pytest.raises(TtsError, match="apt install espeak-ng"):
        await NoTts().speak("x", Voice("en-gb"))


async def test_an_engine_asked_for_its_version_is_fed_nothing(tmp_path: Path) -> None:
    """It may end before a pipe to it is written, which uvloop takes for an error of ours."""
    program = tmp_path / "espeak"
    program.write_text("#!/bin/sh\nreadlink /proc/self/fd/0\n")
    program.chmod(0o700)
    tts = await find_tts(str(program))
    assert isinstance(tts, EspeakNg)
    assert tts.engine == "/dev/null"


def test_an_engine_that_ends_before_it_reads(tmp_path: Path) -> None:
    program = tmp_path / "espeak"
    program.write_text("#!/bin/sh\nexec 0<&-\nexit 1\n")
    program.chmod(0o700)

    async def speak() -> None:
        for _ in range(5):
            with pytest.raises(TtsError):
                await EspeakNg(str(program), "1").speak("x", Voice("en-gb"))

    uvloop.run(speak())
