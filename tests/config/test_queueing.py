"""The floor's share of the configuration: what is right is taken, what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loading import DEFAULT_FILE, load_settings
from config.settings import Settings

HEAD = "queues:\n  - name: support\n"
AGENT = HEAD + "agents:\n  - id: anna\n    name: Anna\n    extension: '101'\n"


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
        (HEAD + "    overflow: queue:nowhere\n", 3, "queue 'nowhere' is used but not under"),
        (
            HEAD + "    overflow_on: {full: 'queue:nowhere'}\n",
            3,
            "queue 'nowhere' is used but not under",
        ),
        (
            HEAD + "floor:\n  personal: {overflow: 'queue:nowhere'}\n",
            4,
            "queue 'nowhere' is used but not under",
        ),
        (HEAD + "    skills: {lv: 0}\n", 3, "greater than or equal to 1"),
        (HEAD + "    skills: {lv: 100}\n", 3, "less than or equal to 99"),
        (AGENT + "    queues: {support: 100}\n", 7, "less than or equal to 99"),
        (AGENT + "    skills: {lv: 0}\n", 7, "greater than or equal to 1"),
        (HEAD + "    overflow: somewhere\n", 3, "'somewhere' leads nowhere; write voicemail"),
        (HEAD + "    overflow_on: {late: voicemail}\n", 3, "waited"),
        (HEAD + "    hours: office\n", 3, "hours 'office' of queue 'support' are not under hours:"),
        (HEAD + "    strategy: longest-idel\n", 3, "longest-idle"),
        (
            HEAD + "    widening:\n      - {after_s: 9, level: 2}\n",
            3,
            "begin with {after_s: 0, level: 1}",
        ),
        (
            HEAD + "    widening:\n      - {after_s: 9, drop: [lv]}\n      - {after_s: 5}\n",
            3,
            "each step needs a later after_s",
        ),
        (
            HEAD + "    skills: {german: 2}\n    widening:\n"
            "      - {after_s: 0, level: 1}\n      - {after_s: 9, drop: [germann]}\n",
            6,
            "queues[0].widening[1].drop[0]: the skill 'germann', which widening of queue 'support' "
            "drops, no agent has and no queue needs; did you mean 'german'? known: german",
        ),
        (
            HEAD + "    wrap_up_s: 30\n    wrap_up_max_s: 20\n",
            4,
            "queues[0].wrap_up_max_s: 'wrap_up_max_s' is 20 and wrap_up_s 30: the longest wrap-up",
        ),
        (
            "floor:\n  breaks:\n    - {name: lunch}\n    - {name: lunch}\n",
            4,
            "break 'lunch' is named twice",
        ),
        (
            "hours:\n  office:\n    week: {}\n",
            3,
            "is empty; write at least one entry",
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


def test_what_is_only_unusual_is_taken(tmp_path: Path) -> None:
    text = AGENT + "    skills: {german: 1}\n"
    widening = "    wrap_up_s: 400\n    widening: [{after_s: 9, drop: [german]}]\n"
    settings = load(tmp_path, text.replace("agents:", widening + "agents:"))
    assert settings.queues[0].widening[0].drop == ("german",)
    assert settings.queues[0].wrap_up_s == 400, "longer than the default of wrap_up_max_s"


def uncommented(text: str, first: str, last: str) -> str:
    """The lines from one that begins with ``first`` up to one that begins with ``last``, the
    comment signs taken off."""
    lines = text.splitlines()
    begin = next(at for at, line in enumerate(lines) if f"{line.strip()} ".startswith(first))
    end = next(at for at, line in enumerate(lines) if at > begin and line.lstrip().startswith(last))
    out = []
    for line in lines[begin:end]:
        indent = line[: len(line) - len(line.lstrip())]
        bare = line.lstrip().removeprefix("#")
        out.append(indent + bare.removeprefix(" "))
    return "\n".join(out) + "\n"


def test_the_examples_in_the_shipped_file_are_right(tmp_path: Path) -> None:
    shipped = DEFAULT_FILE.read_text(encoding="utf-8")
    queue_keys = uncommented(shipped, "# strategy: ", "# Agents register")
    queue_keys = queue_keys.replace("longest-idle        # or", "ring-all  # or")
    rest = uncommented(shipped, "# hours: ", "# Where records").partition("office:")[2]
    rest = f"hours:\n  office:{rest}"
    rest = rest.replace("Callers who are treated", "# Callers who are treated")
    settings = load(
        tmp_path, f"{HEAD}{queue_keys}  - name: sales\n{rest}", "did-you-know.wav", "sorry.wav"
    )
    queue = settings.queues[0]
    assert (queue.strategy, queue.hours, queue.sticky_s) == ("ring-all", "office", 15)
    assert queue.way_out("full") == "queue:sales"
    assert settings.callers.vip[0].priority == 10
    assert [reason.name for reason in settings.floor.breaks] == ["lunch", "training"]
