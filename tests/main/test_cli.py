"""The console command: help, exit codes, messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from main.cli import COMMANDS, EPILOG, main, parser


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of argparse, and what it said."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out + out.err


def test_help_names_every_command_and_a_first_step(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = fails(["--help"], capsys)
    assert code == 0
    assert "A call centre that one command starts" in text
    for command in COMMANDS:
        assert f"\n    {command} " in text, command
    assert EPILOG in text


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = fails([command, "--help"], capsys)
    assert code == 0
    assert text.startswith(f"usage: offhook {command}")


def test_every_command_of_the_parser_is_carried_out() -> None:
    for command in COMMANDS:
        arguments = [command, "name"] if command in ("token", "why") else [command]
        assert parser().parse_args(arguments).command == command


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = fails(["--version"], capsys)
    assert code == 0
    assert text.startswith("offhook 0")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serv"], "invalid choice: 'serv'"),
        (["serve", "--log-level", "loud"], "invalid choice: 'loud'"),
        (["token"], "the following arguments are required: name"),
        (["check", "a", "b"], "unrecognized arguments: b"),
    ],
)
def test_a_wrong_command_line_is_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = fails(arguments, capsys)
    assert code == 2
    assert words in text


def test_an_error_of_the_input_is_2_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("data_dir: here\nqueus: []\n")
    for command in (["phones", "-c"], ["serve", "-c"]):
        assert main([*command, str(wrong)]) == 2
        out = capsys.readouterr()
        assert out.out == ""
        assert out.err.startswith(f"{wrong}:2: queus: unknown key; did you mean 'queues'?")
        assert out.err.count("\n") == 1
    assert not (tmp_path / "here").exists(), "nothing was made"


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "phones", interrupted)
    assert main(["phones"]) == 130


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "first steps:" in capsys.readouterr().out
