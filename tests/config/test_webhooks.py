"""The section ``webhooks:``: what it takes, and where an error points to."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from config.credentials import load_secrets
from config.errors import ConfigError
from config.loading import DEFAULT_FILE, load_settings
from config.settings import Settings
from config.webhooks import KINDS, signing_keys

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
HEAD = "webhooks:\n  endpoints:\n    - name: crm\n"


def loaded(folder: Path, more: str, head: str = HEAD) -> Settings:
    file = folder / "offhook.yaml"
    file.write_text(head + more)
    return load_settings(file)


def test_the_least(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "      url: https://crm.example/in\n      secret_file: s\n")
    (endpoint,) = settings.webhooks.endpoints
    assert (endpoint.events, endpoint.caller, endpoint.host) == (KINDS, "masked", "crm.example")
    assert endpoint.secret_file == tmp_path / "s", "from the file's own folder"


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example:8443/in?tenant=1",
        "http://127.0.0.1:8000/in",
        "http://[::1]:8000/in",
        "http://localhost/in",
    ],
)
def test_addresses(tmp_path: Path, url: str) -> None:
    loaded(tmp_path, f"      url: '{url}'\n      secret_env: X\n")


def test_without_tls_only_when_it_is_said(tmp_path: Path) -> None:
    more = "      url: http://10.0.0.7/in\n      secret_env: X\n"
    with pytest.raises(ConfigError, match=r":4: webhooks\.endpoints\[0\]\.url: is without TLS"):
        loaded(tmp_path, more)
    loaded(tmp_path, f"{more}      plain_http: true\n")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("url: https://u:p@crm.example/in", ":4: webhooks.endpoints[0].url: holds a user or"),
        ("url: ftp://crm.example/in", ":4: webhooks.endpoints[0].url: is no address"),
        ("url: https://", ":4: webhooks.endpoints[0].url: is no address"),
        ("url: https://crm.example:x/", ":4: webhooks.endpoints[0].url: is no address"),
        ("url: https://crm.example:99999/", ":4: webhooks.endpoints[0].url: is no address"),
        ("url: 'https://crm.example/a b'", ":4: webhooks.endpoints[0].url: holds a character"),
        ("url: https://crm.example/#x", ":4: webhooks.endpoints[0].url: holds a # part"),
        ("events: [ticket.made]", ":4: webhooks.endpoints[0].events[0]: 'ticket.made' is not"),
        ("caller: some", ":4: webhooks.endpoints[0].caller: 'some' is not allowed"),
        ("secret: whsec_x", ":4: webhooks.endpoints[0].secret: unknown key"),
    ],
)
def test_wrong(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"      {more}\n")
    assert words in str(caught.value)


@pytest.mark.parametrize("secrets", ["", "      secret_env: A\n      secret_file: b\n"])
def test_exactly_one_secret(tmp_path: Path, secrets: str) -> None:
    with pytest.raises(ConfigError, match=r":3: .* name exactly one of secret_env and secret_file"):
        loaded(tmp_path, f"      url: https://crm.example/in\n{secrets}")


def test_names_differ(tmp_path: Path) -> None:
    one = "    - {name: crm, url: 'https://crm.example/', secret_env: A}\n"
    with pytest.raises(ConfigError, match=r":4: .*endpoint 'crm' is named twice"):
        loaded(tmp_path, one * 2, "webhooks:\n  endpoints:\n")


def _secrets(folder: Path, more: str) -> dict[str, tuple[bytes, ...]]:
    settings = loaded(folder, f"      url: https://crm.example/in\n      {more}\n")
    return load_secrets(settings.model_copy(update={"data_dir": folder})).webhooks


def test_secrets_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_SECRET", SECRET)
    assert _secrets(tmp_path, "secret_env: CRM_SECRET") == {"crm": (b"k" * 32,)}
    other = "whsec_" + base64.b64encode(b"o" * 24).decode()
    (tmp_path / "s").write_text(f"{SECRET}\n{other}\n")
    assert _secrets(tmp_path, "secret_file: s") == {"crm": (b"k" * 32, b"o" * 24)}
    assert SECRET not in (tmp_path / "secrets.json").read_text()


def test_what_is_no_secret_is_told_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_SECRET", "hunter2-hunter2")
    with pytest.raises(ConfigError, match=r"webhooks\.crm\.secret_env: is no secret") as caught:
        _secrets(tmp_path, "secret_env: CRM_SECRET")
    assert "hunter2" not in str(caught.value)
    monkeypatch.delenv("CRM_SECRET")
    with pytest.raises(ConfigError, match=r"webhooks\.crm\.secret_env: set CRM_SECRET"):
        _secrets(tmp_path, "secret_env: CRM_SECRET")
    with pytest.raises(ConfigError, match=r"webhooks\.crm\.secret_file: cannot be read"):
        _secrets(tmp_path, "secret_file: nowhere")


@pytest.mark.parametrize(
    "text",
    [
        "whsec_",
        "whsec_!!!!",
        SECRET.removeprefix("whsec_"),
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
        "whsec_" + base64.b64encode(b"k" * 65).decode(),
        f"{SECRET} x",
        " ".join([SECRET] * 4),
    ],
)
def test_no_secret(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no secret|3 at most"):
        signing_keys(text)


def test_certificates_are_looked_at_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_SECRET", SECRET)
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in ("ca.pem", "nowhere.pem"):
        with pytest.raises(ConfigError, match=r"webhooks\.crm\.ca_file: cannot be used"):
            _secrets(tmp_path, f"ca_file: {file}\n      secret_env: CRM_SECRET")


def test_the_commented_example_is_good(tmp_path: Path) -> None:
    example = DEFAULT_FILE.read_text().partition("# webhooks:\n")[2].partition("\n\n")[0]
    lines = [line.removeprefix("# ") for line in example.splitlines()]
    (endpoint,) = loaded(tmp_path, "\n".join(lines), "webhooks:\n").webhooks.endpoints
    assert (endpoint.name, endpoint.caller) == ("crm", "full")
