"""The settings of a node from its configuration file."""

from __future__ import annotations

import zoneinfo
from pathlib import Path
from typing import Any

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
    for at, queue in enumerate(resolved.queues):
        if queue.music is not None and not Path(queue.music).is_file():
            raise document.error(
                ("queues", at, "music"), f"{queue.music} is no file; give an audio file or leave it"
            )
    return resolved


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
            new = str(folder / old) if name == "music" and old else _resolved(old, folder)
            if new != old:
                changed[name] = new
        return value.model_copy(update=changed) if changed else value
    return value
