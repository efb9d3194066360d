"""``offhook serve``: what the supervisor is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.settings import Api, Listen, Media, Number, QueueSettings, Settings, Sip
from engine.handover import Listener, SupervisorPlan
from main.loading import load
from main.serve import plan_of, serve

SETTINGS = Settings(
    data_dir=Path("/var/offhook"),
    sip=Sip(listen=(Listen(host="127.0.0.1", port=5070), Listen(transport="tcp", port=0))),
    api=Api(host="127.0.0.1", port=8088),
    media=Media(workers=3, host="127.0.0.1", port_min=20_000, port_max=20_299, port_rest_s=7.0),
)


def test_the_plan_opens_what_the_settings_name() -> None:
    plan = plan_of(SETTINGS, None, "info")
    assert plan.data_dir == "/var/offhook"
    assert plan.sip == (Listener("udp", "127.0.0.1", 5070), Listener("tcp", "0.0.0.0", 0))
    assert plan.api == Listener("tcp", "127.0.0.1", 8088)


def test_each_worker_has_its_own_socket_and_its_own_ports() -> None:
    workers = plan_of(SETTINGS, None, "info").workers
    assert len(workers) == 3
    assert len({worker.socket for worker in workers}) == 3
    assert len({worker.command for worker in workers}) == 3
    for worker in workers:
        assert worker.command[0] == sys.executable
        assert len(worker.socket) < 100, "a unix socket's path is short"


def test_the_engine_gets_the_configuration_from_wherever_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = plan_of(SETTINGS, Path("my.yaml"), "debug").engine
    assert command[0] == sys.executable
    assert command[-4:] == ("--log-level", "debug", "--config", str(tmp_path / "my.yaml"))
    assert "--config" not in plan_of(SETTINGS, None, "debug").engine


def test_the_plan_survives_the_way_to_the_supervisor() -> None:
    plan = plan_of(SETTINGS, Path("my.yaml"), "info")
    assert SupervisorPlan.from_json(plan._replace(first=(4711, 5, 6)).to_json()).first == (
        4711,
        5,
        6,
    )
    assert SupervisorPlan.from_json(plan.to_json()) == plan


def test_a_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text(
        "data_dir: here\nqueues: [{name: support}]\nnumbers:\n  - {number: '1', flow: gone}\n"
    )
    with pytest.raises(ConfigError, match=r"my.yaml:4: numbers\[0\].flow: no flow 'gone'"):
        serve(config, "info")
    assert not (tmp_path / "here").exists()


def test_flows_may_name_only_queues_that_there_are(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("queues: [{name: billing}]\nnumbers: [{number: '1', flow: main}]\n")
    with pytest.raises(ConfigError, match="unknown queue 'support'; known: billing"):
        load(config)
    config.write_text("queues: [{name: support}]\nnumbers: [{number: '1', flow: main}]\n")
    settings, flows = load(config)
    assert settings.queues == (QueueSettings(name="support"),)
    assert settings.numbers == (Number(number="1", flow="main"),)
    assert set(flows.flows) == {"main"}


def test_who_uses_no_flow_needs_none_of_the_shipped_ones(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("queues: [{name: billing}]\nnumbers: [{number: '*', queue: billing}]\n")
    _, flows = load(config)
    assert flows.get("main") is None
