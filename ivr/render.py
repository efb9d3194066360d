"""Makes the shipped audio anew from ``ivr/phrases/*.yaml``: ``python -m ivr.render [language]``.

Needs espeak-ng. ``music`` in place of a language makes the music and the tone only.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ivr.audio_format import encode
from ivr.catalogue import AUDIO_DIR, BEEP, MUSIC, Language, catalogue
from ivr.music import beep, compose
from ivr.tts import Tts, TtsError, Voice, find_tts


async def render_language(tts: Tts, name: str, language: Language, target: Path) -> int:
    """Render every text of a language into ``target/<name>/``. Returns the bytes written."""
    folder = target / name
    folder.mkdir(parents=True, exist_ok=True)
    voice = Voice(language.voice, language.speed)
    written = 0
    wanted = language.texts()
    for stale in set(folder.glob("*.ulaw")) - {folder / f"{file}.ulaw" for file in wanted}:
        stale.unlink()
    for file, text in wanted.items():
        sound = encode(await tts.speak(text, voice))
        (folder / f"{file}.ulaw").write_bytes(sound)
        written += len(sound)
    return written


def render_music(target: Path) -> None:
    """The hold music and the tone before a message."""
    target.mkdir(parents=True, exist_ok=True)
    (target / MUSIC.name).write_bytes(encode(compose()))
    (target / f"{BEEP}.ulaw").write_bytes(encode(beep()))


async def render(wanted: list[str], target: Path = AUDIO_DIR) -> None:
    """Render the wanted languages (none named: all), the music and the tone."""
    if not wanted or "music" in wanted:
        render_music(target)
    tts = await find_tts()
    for name, language in catalogue().languages.items():
        if not wanted or name in wanted:
            print(name, await render_language(tts, name, language, target), "bytes")


def main() -> int:
    """Exit status 1 where espeak-ng is missing or fails."""
    try:
        asyncio.run(render(sys.argv[1:]))
    except TtsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
