"""The supervisor with real processes, tiny ones; everything waits for a line, never for a time."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.handover import (
    EXIT_CONFIG,
    Listener,
)
from tests.engine.running import (
    PATIENCE_S,
    Running,
    alive,
    handed_over,
    supervise,
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    it = Running(tmp_path)
    yield it
    it.close()


def test_it_starts_all_and_hands_the_engine_its_listeners(running: Running) -> None:
    started = {line["name"]: line for line in running.lines(3)}
    assert started.keys() == {"media-0", "media-1", "engine"}
    handover = handed_over(started["engine"])
    assert handover.starts == 1
    assert [worker.name for worker in handover.workers] == ["media-0", "media-1"]
    udp, tcp = handover.sip
    assert (udp.transport, tcp.transport) == ("udp", "tcp")
    assert udp.port == tcp.port != 0, "SIP peers take the two for one address"
    with socket.create_connection((handover.api.host, handover.api.port), PATIENCE_S):
        pass
    mine, its = running.state()["sip"][0]["fd"], udp.fd
    held = os.stat(f"/proc/{started['engine']['pid']}/fd/{its}").st_ino
    assert held == os.stat(f"/proc/{running.process.pid}/fd/{mine}").st_ino
    assert not any(line["handover"] for name, line in started.items() if name != "engine")
    assert all(line["group"] == line["pid"] for line in started.values())
    assert {line["stdin"] for line in started.values()} == {os.devnull}
    state = running.state()
    assert state["pid"] == running.process.pid
    assert state["api"]["url"] == f"http://127.0.0.1:{handover.api.port}"
    assert state["engine"]["pid"] == started["engine"]["pid"]
    assert state["engine"]["starts"] == 1
    assert [worker["pid"] for worker in state["workers"]] == [
        started["media-0"]["pid"],
        started["media-1"]["pid"],
    ]


def test_a_killed_engine_comes_back_and_the_workers_stay(running: Running) -> None:
    pids = {line["name"]: line["pid"] for line in running.lines(3)}
    port = running.state()["sip"][0]["port"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        os.kill(pids["engine"], signal.SIGKILL)
        phone.sendto(b"INVITE", ("127.0.0.1", port))
    again = running.line()
    assert (again["name"], again["what"]) == ("engine", "started")
    assert again["pid"] != pids["engine"]
    handover = handed_over(again)
    assert (handover.starts, handover.sip[0].port) == (2, port)
    waiting = Path("/proc/net/udp").read_text().splitlines()
    mine = [line.split() for line in waiting if f":{port:04X} 00000000:0000" in line]
    assert mine
    assert int(mine[0][4].split(":")[1], 16) > 0, "the datagram waits in the kernel"
    assert alive(pids["media-0"])
    assert alive(pids["media-1"])


def test_a_killed_worker_comes_back_with_the_same_command(running: Running) -> None:
    pids = {line["name"]: line["pid"] for line in running.lines(3)}
    os.kill(pids["media-1"], signal.SIGKILL)
    again = running.line()
    assert (again["name"], again["what"]) == ("media-1", "started")
    assert alive(pids["engine"])
    assert running.state()["workers"][1]["starts"] == 2


def test_the_engine_ends_first_then_the_workers(running: Running) -> None:
    pids = {line["name"]: line["pid"] for line in running.lines(3)}
    running.process.send_signal(signal.SIGTERM)
    told = [(line["name"], line["what"]) for line in running.lines(3)]
    assert told[0] == ("engine", "SIGTERM")
    assert sorted(told[1:]) == [("media-0", "SIGTERM"), ("media-1", "SIGTERM")]
    assert running.ended()[0] == 0
    assert not any(alive(pid) for pid in pids.values())
    assert not (running.data_dir / "run/supervisor.json").exists()


def test_a_drain_outlives_the_engine_and_ends_it_all(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=1)
    try:
        running.lines(2)
        with running.asked({"do": "drain", "to": "sip:192.0.2.7"}) as answers:
            assert running.line()["what"] == "drain"
            said = [answer["say"] for answer in answers]
        assert said == [
            "draining: no new calls are taken",
            "3 calls left, 1 callback kept for the next start",
            "drained, 1 callback kept for the next start; offhook ends",
        ]
        assert running.ended()[0] == 0
    finally:
        running.close()


def test_a_reload_goes_to_the_engine(running: Running) -> None:
    running.lines(3)
    with running.asked({"do": "reload"}) as answers:
        assert running.line()["what"] == "reload"
        assert list(answers) == [{"say": "the configuration is reloaded", "status": 0}]
    with running.asked({"do": "dance"}) as answers:
        assert list(answers) == [{"say": "this version knows no dance", "status": 2}]


def test_who_does_not_end_is_killed(tmp_path: Path) -> None:
    running = Running(tmp_path, engine="stubborn", workers=1, engine_stop_s=0.05)
    try:
        running.lines(2)
        running.process.send_signal(signal.SIGINT)
        assert [line["name"] for line in running.lines(2)] == ["engine", "media-0"]
        status, said = running.ended()
        assert status == 0
        assert "engine" in said
        assert "does not end and is killed" in said
    finally:
        running.close()


def test_a_second_signal_does_not_wait_for_the_drain(tmp_path: Path) -> None:
    running = Running(tmp_path, engine="stubborn", workers=1, engine_stop_s=3600.0)
    try:
        running.lines(2)
        running.process.send_signal(signal.SIGTERM)
        assert running.line()["what"] == "SIGTERM"
        running.process.send_signal(signal.SIGTERM)
        assert running.line()["name"] == "media-0"
        assert running.ended()[0] == 0
    finally:
        running.close()


def test_children_end_when_the_supervisor_is_killed(running: Running) -> None:
    running.lines(3)
    running.process.kill()
    told = running.lines(3)
    assert {(line["name"], line["what"]) for line in told} == {
        ("engine", "SIGTERM"),
        ("media-0", "SIGTERM"),
        ("media-1", "SIGTERM"),
    }


def test_an_engine_that_dies_at_once_is_started_again_ever_more_slowly(tmp_path: Path) -> None:
    running = Running(tmp_path, engine="exit3", workers=0)
    try:
        assert [line["what"] for line in running.lines(4)] == ["started"] * 4
        running.process.send_signal(signal.SIGTERM)
        _, said = running.ended()
        pauses = [line.split("again in ")[1] for line in said.splitlines() if "died" in line]
        assert [pause.split(" s")[0] for pause in pauses][:3] == ["0.00", "0.10", "0.20"]
    finally:
        running.close()


def test_an_engine_that_refuses_its_configuration_ends_it_all(tmp_path: Path) -> None:
    running = Running(tmp_path, engine=f"exit{EXIT_CONFIG}", workers=1)
    try:
        status, said = running.ended()
        assert status == EXIT_CONFIG
        assert "cannot run with this configuration" in said
    finally:
        running.close()


def test_two_do_not_share_a_data_dir(running: Running) -> None:
    running.lines(3)
    second = supervise(running.plan)
    _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == EXIT_CONFIG
    assert f"is in use by another offhook (pid {running.process.pid})" in said
    assert running.state()["pid"] == running.process.pid


def test_a_taken_address_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = Running(tmp_path, workers=0, api=Listener("tcp", "127.0.0.1", port))
        try:
            status, said = running.ended()
        finally:
            running.close()
    assert status == EXIT_CONFIG
    assert f"cannot listen on tcp 127.0.0.1:{port}: Address already in use" in said


def test_it_is_lean(running: Running) -> None:
    running.lines(3)
    rollup = Path(f"/proc/{running.process.pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert pss < 12_000, f"{pss} kB"
