"""``offhook check``: 0 and a summary, or 2 and the places."""

from __future__ import annotations

from pathlib import Path

import pytest

from main.cli import main

GOOD = """\
data_dir: here
flows_dir: flows
queues:
  - name: support
agents:
  - {id: anna, name: Anna, extension: "101", queues: {support: 1}}
trunks:
  - {name: telia, addresses: [192.0.2.1]}
numbers:
  - {number: "+37167000000", flow: hello}
  - {number: "*", queue: support}
"""
HELLO = """\
start: hello
nodes:
  hello:
    type: say
    prompt: {phrase: welcome}
    next: support
  support:
    type: queue
    queue: support
"""


class Files:
    def __init__(self, folder: Path) -> None:
        self.config = folder / "my.yaml"
        self.flow = folder / "flows" / "hello.yaml"
        self.flow.parent.mkdir()
        self.config.write_text(GOOD)
        self.flow.write_text(HELLO)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def check(files: Files, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["check", str(files.config)])
    out = capsys.readouterr()
    return code, out.out if code == 0 else out.err


def test_a_good_configuration(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(files, capsys) == (0, "well: 1 queues, 1 agents, 1 trunks, 2 numbers, 1 flows\n")
    assert not (files.config.parent / "here").exists(), "checking makes nothing"


def test_the_shipped_configuration_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out.startswith("well: 1 queues, 2 agents, 1 trunks, ")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("queues:\n", "queus:\n", ":3: queus: unknown key; did you mean 'queues'?"),
        ("name: support", "name: Support Desk", ":4: queues[0].name: 'Support Desk' does not fit"),
        ('extension: "101"', "extension: x", ":6: agents[0].extension: 'x' does not fit"),
        ("{support: 1}", "{sales: 1}", ":6: agents[0].queues.sales: queue 'sales' is used but"),
        (
            "192.0.2.1",
            "not-an-address",
            ":8: trunks[0].addresses[0]: 'not-an-address' does not appear",
        ),
        ("flow: hello", "flow: helo", ":10: numbers[0].flow: no flow 'helo'; there are: hello"),
        ("queue: support}", "queue: suport}", ":11: numbers[1].queue: queue 'suport' is used"),
        ("data_dir: here", "data_dir: [", ":3: expected"),
        ("data_dir: here", "timezone: Europe/Rga", ":1: timezone: unknown time zone"),
        ("data_dir: here", "data_dir: a\ndata_dir: b", ":2: data_dir"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    files: Files, old: str, new: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files.config.write_text(GOOD.replace(old, new, 1))
    code, text = check(files, capsys)
    assert code == 2
    assert f"{files.config}{words}" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("next: support", "next: nowhere", ":6: nodes.hello.next: unknown node 'nowhere'"),
        ("queue: support\n", "queue: sales\n", ":9: nodes.support.queue: unknown queue 'sales'"),
        ("phrase: welcome", "phrase: welcom", ":5: nodes.hello.prompt"),
        ("phrase: welcome", "audio: gone.wav", ":5: nodes.hello.prompt"),
    ],
)
def test_what_is_wrong_in_a_flow_too(
    files: Files, old: str, new: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files.flow.write_text(HELLO.replace(old, new, 1))
    code, text = check(files, capsys)
    assert code == 2
    assert f"{files.flow}{words}" in text


def test_a_file_that_is_not_there(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.config.unlink()
    code, text = check(files, capsys)
    assert code == 2
    assert text == f"{files.config}: cannot be read (No such file or directory); check the path\n"


def test_several_problems_are_all_said(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.config.write_text(GOOD.replace("name: telia", "name: T!").replace('"101"', "x"))
    code, text = check(files, capsys)
    assert code == 2
    assert ":6: " in text
    assert ":8: " in text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "- name: support\n",
            "- {name: support, skills: {german: 2}}\n",
            "note: queue 'support' needs the skill 'german' at level 2 or better, and no agent of "
            "it has it: nobody answers its calls until a step of widening drops it\n",
        ),
        (
            "- name: support\n",
            "- {name: support, overflow_on: {full: 'number:+4930123'}}\n",
            "note: queue 'support' leads to number:+4930123, and no trunk has outbound: such calls "
            "reach nobody\n",
        ),
    ],
)
def test_what_works_otherwise_than_meant_is_noted(
    files: Files, capsys: pytest.CaptureFixture[str], old: str, new: str, told: str
) -> None:
    files.config.write_text(GOOD.replace(old, new))
    assert main(["check", str(files.config)]) == 0
    assert capsys.readouterr().err == told


def test_a_secret_that_is_not_there_is_noted_for_it_may_be_elsewhere(
    files: Files, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks = (
        "webhooks: {endpoints: [{name: crm, url: 'https://crm.example/in', secret_env: K}]}\n"
    )
    files.config.write_text(GOOD + webhooks)
    monkeypatch.delenv("K", raising=False)
    assert main(["check", str(files.config)]) == 0
    told = capsys.readouterr().err
    assert told.startswith("note: serve would not start here: environment: webhooks.crm.secret_env")
    assert "set K" in told
