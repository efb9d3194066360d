"""Secrets: made once, kept from others, and never guessed where a named source is empty."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from config.credentials import FILE, Secrets, load_secrets
from config.errors import ConfigError
from config.settings import AgentSettings, Settings, Sip, Trunk


def settings_in(folder: Path, *, trunks: tuple[Trunk, ...] = (), **agent: object) -> Settings:
    fields = {"id": "anna", "name": "Anna", "extension": "101", **agent}
    return Settings(
        data_dir=folder,
        sip=Sip(domain="example.org"),
        agents=(AgentSettings.model_validate(fields),),
        trunks=trunks,
    )


def test_what_nobody_named_is_made_once_and_kept(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data", trunks=(Trunk(name="try", username="caller"),))
    first = load_secrets(settings)
    before = (tmp_path / "data" / FILE).stat()
    assert load_secrets(settings) == first
    assert (tmp_path / "data" / FILE).stat().st_mtime_ns == before.st_mtime_ns, "written once"
    assert len(first.phones["101"]) == 20
    assert len(first.trunks["try"]) == 20
    assert len(first.nonce_secret) == 32
    assert len({first.phones["101"], first.trunks["try"], first.admin_token}) == 3


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "secrets.new").write_text("left by a crash")
    (tmp_path / "secrets.new").chmod(0o666)
    load_secrets(settings_in(tmp_path))
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert not (tmp_path / "secrets.new").exists()


def test_a_new_agent_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    first = load_secrets(settings_in(tmp_path))
    both = settings_in(tmp_path).model_copy(
        update={
            "agents": (
                *settings_in(tmp_path).agents,
                AgentSettings(id="boris", name="Boris", extension="102"),
            )
        }
    )
    second = load_secrets(both)
    assert second.phones["101"] == first.phones["101"]
    assert set(second.phones) == {"101", "102"}
    assert second.admin_token == first.admin_token


def test_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNA_SIP", "s3cret")
    secrets = load_secrets(settings_in(tmp_path, password_env="ANNA_SIP"))
    assert secrets.phones["101"] == "s3cret"
    assert "s3cret" not in (tmp_path / FILE).read_text(), "it is not ours to keep"


def test_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "anna").write_text("s3cret\n")
    secrets = load_secrets(settings_in(tmp_path, password_file=tmp_path / "anna"))
    assert secrets.phones["101"] == "s3cret"


@pytest.mark.parametrize("value", [None, ""])
def test_a_named_variable_must_not_be_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("ANNA_SIP", raising=False)
    if value is not None:
        monkeypatch.setenv("ANNA_SIP", value)
    with pytest.raises(ConfigError, match=r"agents.anna.password_env: set ANNA_SIP, it is empty"):
        load_secrets(settings_in(tmp_path, password_env="ANNA_SIP"))
    assert not (tmp_path / FILE).exists()


def test_a_named_file_must_not_be_empty_or_missing(tmp_path: Path) -> None:
    file = tmp_path / "anna"
    with pytest.raises(ConfigError, match=r"agents.anna.password_file: cannot be read \(No such"):
        load_secrets(settings_in(tmp_path, password_file=file))
    file.write_text(" \n")
    with pytest.raises(ConfigError, match="is empty; one line is needed"):
        load_secrets(settings_in(tmp_path, password_file=file))


def test_a_trunk_that_is_known_by_its_address_needs_no_password(tmp_path: Path) -> None:
    trunk = Trunk(name="telia", addresses=("192.0.2.1",))
    assert load_secrets(settings_in(tmp_path, trunks=(trunk,))).trunks == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"own": 1}', '{"phones": {"101": 5}}', "\x00"])
def test_a_damaged_file_is_said_and_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match=f"{FILE}: is damaged; restore it"):
        load_secrets(settings_in(tmp_path))
    assert (tmp_path / FILE).read_text() == text


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be (read|written) \(Not a directory\)"):
        load_secrets(settings_in(tmp_path / "file"))
    with pytest.raises(ConfigError, match="data_dir: cannot be written"):
        load_secrets(settings_in(Path("/proc/offhook")))


def test_digests_are_those_of_rfc_7616(tmp_path: Path) -> None:
    secrets = Secrets(b"", "", {"101": "pw"}, {"try": "tp", "gone": "x"})
    trunks = (Trunk(name="try", username="caller"), Trunk(name="addr", addresses=("192.0.2.1",)))
    ha1s = secrets.ha1s(settings_in(tmp_path, trunks=trunks))
    assert set(ha1s) == {"101", "caller"}
    assert ha1s["101"] == {
        "MD5": hashlib.md5(b"101:example.org:pw").hexdigest(),
        "SHA-256": hashlib.sha256(b"101:example.org:pw").hexdigest(),
    }
    assert ha1s["caller"]["MD5"] == hashlib.md5(b"caller:example.org:tp").hexdigest()


def test_nothing_of_it_shows_in_a_representation(tmp_path: Path) -> None:
    secrets = load_secrets(settings_in(tmp_path))
    shown = repr(secrets)
    kept = json.loads((tmp_path / FILE).read_text())
    for text in (secrets.phones["101"], secrets.admin_token, kept["own"]["nonce_secret"]):
        assert text not in shown
