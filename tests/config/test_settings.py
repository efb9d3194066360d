"""What a configuration may not say, and that the answer names the line and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loading import load_settings
from config.settings import Media

BASE = """\
queues: [{name: support}]
agents:
  - {id: anna, name: Anna, extension: "101", queues: {support: 1}}
"""

WRONG = [
    (
        'trunks: [{name: t, username: "101"}]\n',
        "trunk 't' has the username '101', the phone of agent 'anna'",
    ),
    ("codes: {sign_in: '*12'}\n", "codes sign_in and sign_out are both '*12'"),
    ("codes: {ready: '101'}\n", "code ready '101' is the extension of agent 'anna'"),
    (
        f"tokens: [{{name: x, role: agent, agent: bob, sha256: {'0' * 64}}}]\n",
        "token 'x' is for agent 'bob', who is not under agents:",
    ),
    (
        "sip: {listen: [{transport: udp, port: 5060}, {transport: udp, port: 5060}]}\n",
        "sip.listen names udp 0.0.0.0:5060 twice",
    ),
    ("trunks:\n  - name: t\n    outbound: 192.0.2.1\n", ":6: trunks[0].outbound:"),
    ("trunks:\n  - name: t\n    outbound: sip:a b\n", ":6: trunks[0].outbound:"),
    ("store:\n  database: mysql://x/y\n", ":5: store.database:"),
    ("media:\n  host: '::'\n", ":5: media.host: '::' is no IPv4 address; media.host6 is for IPv6"),
    ("media:\n  host6: 127.0.0.1\n", ":5: media.host6: '127.0.0.1' is no IPv6 address"),
]


@pytest.mark.parametrize(("more", "words"), WRONG, ids=[words for _, words in WRONG])
def test_wrong(tmp_path: Path, more: str, words: str) -> None:
    file = tmp_path / "offhook.yaml"
    file.write_text(BASE + more)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert words in str(caught.value)


RIGHT = [
    "sip: {listen: [{transport: udp, port: 0}, {transport: udp, port: 0}]}\n",
    "sip: {listen: [{transport: udp, port: 5060}, {transport: tcp, port: 5060}]}\n",
    "trunks: [{name: t, outbound: 'sip:gw.example:5070;transport=tcp'}]\n",
    "trunks: [{name: t, outbound: 'sip:[2001:db8::1]'}]\n",
    "store: {database: 'postgresql://offhook@127.0.0.1:5432/offhook'}\n",
    "store: {database: 'postgresql:///offhook?host=/run/postgresql'}\n",
]


@pytest.mark.parametrize(
    ("host", "host6", "hosts"),
    [
        ("0.0.0.0", None, ("0.0.0.0", "::")),
        ("192.0.2.1", None, ("192.0.2.1", "::")),
        ("127.0.0.1", None, ("127.0.0.1", "::1")),
        ("127.0.0.5", "::", ("127.0.0.5", "::")),
        ("192.0.2.1", "2001:db8::1", ("192.0.2.1", "2001:db8::1")),
    ],
)
def test_media_on_loopback_stay_there_on_ipv6(
    host: str, host6: str | None, hosts: tuple[str, str]
) -> None:
    assert Media(host=host, host6=host6).hosts == hosts


@pytest.mark.parametrize("more", RIGHT)
def test_right(tmp_path: Path, more: str) -> None:
    file = tmp_path / "offhook.yaml"
    file.write_text(BASE + more)
    load_settings(file)
