"""The directory of a configuration."""

from __future__ import annotations

import pytest

from config.settings import Settings, Trunk
from router.sip.directory import DirectoryUser, SettingsDirectory
from tests.router.sip.world import secrets, settings

TRUNKS = (
    Trunk(name="wide", addresses=("10.0.0.0/8", "2001:db8::/32")),
    Trunk(name="narrow", addresses=("10.1.0.0/16",)),
    Trunk(name="port", addresses=("10.1.0.0/16:5070", "[2001:db8::1]:5062")),
)


@pytest.mark.parametrize(
    ("host", "port", "name"),
    [
        ("10.9.9.9", 5060, "wide"),
        ("10.1.2.3", 5060, "narrow"),
        ("10.1.2.3", 5070, "port"),
        ("::ffff:10.9.9.9", 5060, "wide"),
        ("2001:db8::1", 5060, "wide"),
        ("2001:db8::1", 5062, "port"),
        ("11.0.0.1", 5060, None),
        ("sip.example", 5060, None),
        ("", 0, None),
    ],
)
def test_trunks_by_address(host: str, port: int, name: str | None) -> None:
    assert SettingsDirectory(Settings(trunks=TRUNKS), {}).trunk_at(host, port) == name


def test_users() -> None:
    known = secrets()
    directory = SettingsDirectory(settings(), {"101": known["101"], "roamer": known["roamer"]})
    assert directory.user("101") == DirectoryUser("agent", "101", known["101"])
    assert directory.user("roamer") == DirectoryUser("trunk", "roaming", known["roamer"])
    assert directory.user("102") is None  # no password, no way in
    assert directory.user("nobody") is None
