"""``offhook phones`` and ``offhook token``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from config.credentials import load_secrets
from config.loading import load_settings
from config.settings import Settings
from main.cli import main

CONFIG = """\
data_dir: data
sip: {domain: example.org, listen: [{transport: udp, port: 5070}]}
agents:
  - {id: anna, name: Anna, extension: "101"}
trunks:
  - {name: try-out, username: caller}
  - {name: telia, addresses: [192.0.2.1]}
"""


def test_phones_shows_what_to_type_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "my.yaml"
    config.write_text(CONFIG)
    assert main(["phones", "-c", str(config)]) == 0
    text = capsys.readouterr().out
    secrets = load_secrets(load_settings(config))
    assert "port 5070; realm example.org" in text
    assert f"101  Anna                 password {secrets.phones['101']}\n" in text
    assert f"caller  calls in as trunk try-out, password {secrets.trunks['try-out']} " in text
    assert "telia" not in text
    assert "dial *11 to sign in, *13 for a break, *14 when ready, *12 to sign out" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["anna-pc", "--role", "agent", "--agent", "anna"],
        ["wallboard", "--role", "supervisor"],
        ["prometheus", "--role", "operator"],
    ],
)
def test_a_token_is_shown_once_and_its_lines_fit_the_configuration(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", *arguments]) == 0
    out = capsys.readouterr()
    text = out.err.removeprefix("token (shown once): ").strip()
    assert len(text) >= 32
    assert text not in out.out, "the lines may be piped into a file"
    agents = [{"id": "anna", "name": "Anna", "extension": "101"}]
    settings = Settings.model_validate({"agents": agents, **yaml.safe_load(out.out)})
    (token,) = settings.tokens
    assert token.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (token.name, token.role) == (arguments[0], arguments[2])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pc"], "--role agent needs --agent ID, every other role has none"),
        (["pc", "--role", "admin", "--agent", "anna"], "--role agent needs --agent ID"),
        (["My PC", "--role", "admin"], "name: "),
        (["pc", "--agent", "Anna B"], "agent: "),
    ],
)
def test_a_token_that_the_configuration_would_refuse_is_not_made(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", *arguments]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith(words)


def test_two_tokens_differ(capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "a", "--role", "admin"])
    main(["token", "a", "--role", "admin"])
    shown = capsys.readouterr().err.split("\n")
    assert shown[0] != shown[1]
