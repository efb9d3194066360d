"""Lines of keys, limits, and errors that name file, line, field and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from config.loading import load_settings
from config.settings import Settings
from config.yaml_lines import FILE_BYTES_MAX, load_yaml, parse_yaml, validate


def test_lines_of_keys_items_and_ancestors() -> None:
    document = parse_yaml("a: 1\nb:\n  - x: 2\n    y: 3\n  - z\n", "f.yaml")
    assert document.data == {"a": 1, "b": [{"x": 2, "y": 3}, "z"]}
    assert document.line(()) == 1
    assert document.line(("b",)) == 2
    assert document.line(("b", 0, "y")) == 4
    assert document.line(("b", 1)) == 5
    assert document.line(("b", 0, "missing", 7)) == 3
    assert document.line(("nowhere",)) == 1


def test_scalars_stay_as_written() -> None:
    text = "[+37120000000, 0800, 10:00, no, on, 2026-12-25, 12, -3, 1.5, true, null, ~, 1e5, .inf]"
    assert parse_yaml(text, "f").data == [
        "+37120000000", "0800", "10:00", "no", "on", "2026-12-25",
        12, -3, 1.5, True, None, None, "1e5", ".inf",
    ]  # fmt: skip


def test_aliases_and_merges_are_followed() -> None:
    document = parse_yaml("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n", "f")
    assert document.data["use"] == {"x": 1, "y": 3}
    assert document.line(("use", "y")) == 4


BAD = [
    ("a: 1\na: 2\n", 2, "a: is given twice (first on line 1)"),
    ("a:\n\tb: 1\n", 2, "indent with spaces, not tabs"),
    ("a: b: c\n", 1, "check the indentation"),
    ("number: *\n", 1, "quote text that begins with '*'"),
    ("a: !!python/object/apply:os.system [true]\nb: 1\n", 1, "only plain values"),
    ("a: !!python/name:os.system\n", 1, "only plain values"),
    ("a: &x [*x]\n", 1, "refers to itself"),
    ("x: 1\ny: [1, 2\n", 3, "check indentation, quotes and brackets"),
    ("x: 1\ny: \x07\n", 2, "control character"),
    ("? [a, b]\n: 1\n", 1, "a key must be a plain word"),
    ("[" * 3000, 1, "nested deeper"),
    ("a: " + "[" * 80 + "]" * 80, 1, "nested deeper"),
    ("a: 1" + "0" * 40, 1, "more than 30 digits"),
    ("a: 1\n---\nb: 2\n", 2, ""),
]


@pytest.mark.parametrize(("text", "line", "words"), BAD)
def test_bad_files(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"f.yaml:{line}: ")
    assert words in str(caught.value)


def test_alias_bomb_is_bounded() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match="more than 50000 values"):
        parse_yaml("\n".join(rows), "f")


def test_size_and_encoding_and_absence(tmp_path: Path) -> None:
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="larger than"):
        load_yaml(big)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError, match=r":2: is not UTF-8"):
        load_yaml(latin)
    with pytest.raises(ConfigError, match="check the path"):
        load_yaml(tmp_path / "absent.yaml")


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>#'\"\n 0?,%@\t<", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    line = 0
    try:
        line = parse_yaml(text, "f").line(())
    except ConfigError as error:
        line = error.line
    assert 1 <= line <= text.count("\n") + 2


SETTINGS = """\
queues:
  - name: support
    tarqet_s: 20
    language: de
numbers:
  - {number: '*', flow: main, queue: x}
  - {number: 101, queu: support}
agents: 5
api: {port: 99999999}
sip:
  listen: [{transport: udq}]
"""


def test_every_problem_of_the_settings_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Settings, parse_yaml(SETTINGS, "my.yaml"))
    told = str(caught.value).splitlines()
    for at, (line, words) in enumerate(
        [
            (3, "queues[0].tarqet_s: unknown key; did you mean 'target_s'? known: "),
            (4, "queues[0].language: 'de' is not allowed; allowed: 'en', 'ru', 'uk' or 'lv'"),
            (6, "numbers[0]: name exactly one of flow and queue"),
            (7, "numbers[1].queu: unknown key; did you mean 'queue'?"),
            (8, "agents: 5 is no list; write '- ' items under it"),
            (9, "api.port: 99999999 does not fit; it should be less than or equal to 65535"),
            (11, "sip.listen[0].transport: 'udq' is not allowed; did you mean 'udp'?"),
        ]
    ):
        assert told[at].startswith(f"my.yaml:{line}: {words}"), told[at]
    assert (caught.value.line, caught.value.field) == (3, "queues[0].tarqet_s")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("queues: [{name: a},\n\n {name: a}]\n", 3, "queue 'a' is named twice"),
        (
            "queues:\n  - name: a\nagents:\n  - {id: x, name: X, extension: 102,\n"
            "     queues: {b: 1}}\n",
            5,
            "queue 'b' is used but not under queues:; known: a",
        ),
        ("language: en\ntimezone: Mars/Base\n", 2, "write one like Europe/Riga"),
        ("queues:\n  - name: a\n    music: none.wav\n", 3, "is no file"),
        ("agents:\n  - id: a\n", 2, "agents[0].extension: is missing; add it"),
    ],
)
def test_rules_across_sections_point_to_the_culprit(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert caught.value.line == line
    assert words in str(caught.value)


def test_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "m.ulaw").write_bytes(b"\xff")
    file = tmp_path / "my.yaml"
    file.write_text(
        "data_dir: d\nflows_dir: /abs/flows\nqueues: [{name: q, music: m.ulaw}]\n"
        "agents: [{id: a, name: A, extension: 101, password_file: p}]\n"
    )
    settings = load_settings(file)
    assert settings.data_dir == tmp_path / "d"
    assert settings.flows_dir == Path("/abs/flows")
    assert settings.queues[0].music == str(tmp_path / "m.ulaw")
    assert settings.agents[0].password_file == tmp_path / "p"
    assert settings.agents[0].extension == "101"
    assert settings.recordings.dir is None


def test_the_shipped_configuration_loads() -> None:
    settings = load_settings(None)
    assert [(number.number, number.flow) for number in settings.numbers] == [("*", "main")]
    assert [(agent.name, agent.extension) for agent in settings.agents] == [
        ("Anna", "101"),
        ("Boris", "102"),
    ]
    assert [trunk.username for trunk in settings.trunks] == ["caller"]
