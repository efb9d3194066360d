"""The floor's share of the configuration: what is right is taken, what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loading import load_settings
from config.settings import Settings

HEAD = "queues:\n  - name: support\n"


def load(tmp_path: Path, text: str, *files: str) -> Settings:
    for name in files:
        (tmp_path / name).write_bytes(b"")
    path = tmp_path / "my.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def test_audio_files_are_taken_from_the_file_s_folder(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        HEAD + "    music: m.wav\n"
        "    messages: [one.wav, two.wav]\n"
        "    overflow: announcement:late.wav\n"
        "    overflow_on: {closed: 'announcement:closed.wav', full: voicemail}\n",
        "m.wav",
        "one.wav",
        "two.wav",
        "late.wav",
        "closed.wav",
    )
    (queue,) = settings.queues
    assert queue.music == str(tmp_path / "m.wav")
    assert queue.messages == (str(tmp_path / "one.wav"), str(tmp_path / "two.wav"))
    assert queue.overflow == f"announcement:{tmp_path / 'late.wav'}"
    assert queue.way_out("closed") == f"announcement:{tmp_path / 'closed.wav'}"
    assert queue.way_out("full") == "voicemail"
    assert queue.way_out("waited") == queue.overflow


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + "    messages: [gone.wav]\n", 3, "gone.wav is no file"),
        (HEAD + "    overflow: queue:nowhere\n", 1, "queue 'nowhere' is used but not under"),
        (HEAD + "    overflow: somewhere\n", 3, "'somewhere' leads nowhere; write voicemail"),
        (HEAD + "    overflow_on: {late: voicemail}\n", 3, "waited"),
        (HEAD + "    hours: office\n", 2, "has the hours 'office', which are not under hours:"),
        (HEAD + "    strategy: longest-idel\n", 3, "longest-idle"),
        (
            HEAD + "    widening:\n      - {after_s: 9, level: 2}\n      - {after_s: 5}\n",
            3,
            "each step needs a later after_s",
        ),
        (
            "floor:\n  breaks:\n    - {name: lunch}\n    - {name: lunch}\n",
            4,
            "break 'lunch' is named twice",
        ),
        (
            "hours:\n  office:\n    timezone: Mars/Base\n    week: {mon-fri: '09:00-18:00'}\n",
            2,
            "there is no time zone 'Mars/Base'",
        ),
        ("callers:\n  vip:\n    - {numbers: ['*1']}\n", 3, "'*1' is no caller; write a number"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    with pytest.raises(ConfigError) as told:
        load(tmp_path, text)
    assert words in str(told.value)
    assert told.value.line == line
