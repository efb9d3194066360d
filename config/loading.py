"""The settings of a node from its configuration file."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.queueing import ANNOUNCEMENT
from config.remedies import Place
from config.section import Section
from config.settings import Settings
from config.yaml_lines import load_yaml, validate

DEFAULT_FILE = Path(__file__).with_name("default.yaml")


def load_settings(path: Path | None) -> Settings:
    """Read, check and freeze the configuration; None takes the shipped one.

    Relative paths in the file are taken from the file's folder (in the shipped file: from the
    current folder). Raises ConfigError naming file, line, field and remedy of every problem.
    """
    document = load_yaml(path or DEFAULT_FILE)
    settings = validate(Settings, document)
    try:
        zoneinfo.ZoneInfo(settings.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise document.error(
            ("timezone",), f"unknown time zone {settings.timezone!r}; write one like Europe/Riga"
        ) from error
    folder = (path.parent if path else Path()).absolute()
    resolved: Settings = _resolved(settings, folder)
    for place, file in _audio_files(resolved):
        if not Path(file).is_file():
            raise document.error(place, f"{file} is no file; give an audio file or leave it out")
    return resolved


def _audio_files(settings: Settings) -> Iterator[tuple[Place, str]]:
    """Where the settings name an audio file, and which."""
    personal = settings.floor.personal.overflow
    ways: list[tuple[Place, str]] = [(("floor", "personal", "overflow"), personal)]
    for at, queue in enumerate(settings.queues):
        if queue.music is not None:
            yield ("queues", at, "music"), queue.music
        for which, message in enumerate(queue.messages):
            yield ("queues", at, "messages", which), message
        ways.append((("queues", at, "overflow"), queue.overflow))
        ways += [
            (("queues", at, "overflow_on", cause), way) for cause, way in queue.overflow_on.items()
        ]
    for place, way in ways:
        if way.startswith(ANNOUNCEMENT):
            yield place, way.removeprefix(ANNOUNCEMENT)


def _audio(value: Any, folder: Path) -> Any:
    """The value of a field that names audio files, absolute."""
    if isinstance(value, tuple):
        return tuple(str(folder / item) for item in value)
    if isinstance(value, dict):
        return {key: _way(way, folder) for key, way in value.items()}
    return str(folder / value) if value else value


def _way(way: str, folder: Path) -> str:
    file = way.removeprefix(ANNOUNCEMENT)
    return way if file == way else f"{ANNOUNCEMENT}{folder / file}"


def _resolved(value: Any, folder: Path) -> Any:
    """The same value with every relative path in it made absolute."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        return tuple(_resolved(item, folder) for item in value)
    if isinstance(value, Section):
        changed = {}
        for name in type(value).model_fields:
            old = getattr(value, name)
            if name in ("music", "messages", "overflow_on"):
                new = _audio(old, folder)
            elif name == "overflow":
                new = _way(old, folder)
            else:
                new = _resolved(old, folder)
            if new != old:
                changed[name] = new
        return value.model_copy(update=changed) if changed else value
    return value
