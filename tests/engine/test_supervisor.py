"""The supervisor with real processes, tiny ones; everything waits for a line, never for a time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.handover import (
    EXIT_CONFIG,
    Handover,
    Listener,
    SupervisorPlan,
    Worker,
    control_path,
)
from tests.engine import supervised

PATIENCE_S = 20.0


class Running:
    """A supervisor of tiny children and the lines that they write."""

    def __init__(self, folder: Path, engine: str = "", workers: int = 2, **plan: Any) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        fifo = folder / "fifo"
        os.mkfifo(fifo)
        self._lines = os.open(fifo, os.O_RDWR)
        self._rest = b""
        child = (sys.executable, "-S", supervised.__file__, str(fifo))
        self.plan = SupervisorPlan(
            str(self.data_dir),
            plan.pop("sip", (Listener("udp", "127.0.0.1", 0), Listener("tcp", "127.0.0.1", 0))),
            plan.pop("api", Listener("tcp", "127.0.0.1", 0)),
            tuple(
                Worker(f"media-{n}", str(folder / f"{n}.sock"), (*child, f"media-{n}", ""))
                for n in range(workers)
            ),
            (*child, "engine", engine),
            spare=plan.pop("spare", False),
            **plan,
        )
        self.process = supervise(self.plan)

    def line(self) -> dict[str, Any]:
        """The next line that a child writes."""
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._lines], [], [], PATIENCE_S)
            assert ready, f"nothing came; supervisor: {self.process.poll()}"
            self._rest += os.read(self._lines, 65_536)
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def lines(self, count: int) -> list[dict[str, Any]]:
        return [self.line() for _ in range(count)]

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "run/supervisor.json").read_text())
        return found

    @contextlib.contextmanager
    def asked(self, request: dict[str, Any]) -> Iterator[Iterator[dict[str, Any]]]:
        """What the supervisor answers over its socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(PATIENCE_S)
            sock.connect(control_path(str(self.data_dir)))
            sock.send(json.dumps(request).encode())
            yield (json.loads(answer) for answer in iter(lambda: sock.recv(65_536), b""))

    def ended(self) -> tuple[int, str]:
        """Exit status and what it said."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            self.ended()
        for stream in (self.process.stdin, self.process.stderr):
            if stream is not None:
                stream.close()
        os.close(self._lines)


def supervise(plan: SupervisorPlan) -> subprocess.Popen[str]:
    read, write = os.pipe()
    with open(write, "w", encoding="utf-8") as file:
        file.write(plan.to_json())
    command = [sys.executable, "-m", "engine.supervisor", str(read)]
    process = subprocess.Popen(command, pass_fds=(read,), stderr=subprocess.PIPE, text=True)
    os.close(read)
    return process


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def handed_over(started: dict[str, Any]) -> Handover:
    """What an engine was given, with the descriptors that it has."""
    fields = json.loads(started["handover"])
    fds = [item["fd"] for item in (*fields["sip"], fields["api"])]
    return Handover.from_json(started["handover"], fds)


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
    assert state["engine"] == {"pid": started["engine"]["pid"], "starts": 1}
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


def test_a_spare_takes_over_and_another_is_made(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        engine, spare = running.lines(2)
        assert (engine["what"], spare["what"]) == ("started", "spare waits")
        assert not sockets_of(spare["pid"]) - sockets_of_its_line(spare["pid"])
        for starts in (2, 3):
            os.kill(engine["pid"], signal.SIGKILL)
            engine, next_spare = running.lines(2)
            assert (engine["what"], engine["pid"]) == ("started", spare["pid"])
            assert handed_over(engine).starts == starts
            assert (next_spare["what"], running.state()["engine"]["pid"]) == (
                "spare waits",
                engine["pid"],
            )
            spare = next_spare
        running.process.send_signal(signal.SIGTERM)
        assert running.line()["what"] == "SIGTERM"
        assert running.ended()[0] == 0
        assert not alive(spare["pid"])
    finally:
        running.close()


def test_a_spare_that_dies_is_made_again(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        engine, spare = running.lines(2)
        os.kill(spare["pid"], signal.SIGKILL)
        another = running.line()
        assert (another["what"], another["pid"] != spare["pid"]) == ("spare waits", True)
        assert alive(engine["pid"])
        running.process.kill()
        assert running.line()["what"] == "SIGTERM"
        gone(another["pid"])
    finally:
        running.close()


def sockets_of(pid: int) -> set[str]:
    links = (os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd"))
    return {link for link in links if link.startswith("socket:")}


def sockets_of_its_line(pid: int) -> set[str]:
    """The one socket that it was started with."""
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    (line,) = (item for item in environment if item.startswith("OFFHOOK_LINE="))
    return {os.readlink(f"/proc/{pid}/fd/{line.partition('=')[2].split()[0]}")}


def gone(pid: int) -> None:
    """Wait for the end of a process that is not our child."""
    with contextlib.suppress(ProcessLookupError):
        watched = os.pidfd_open(pid)
        ready, _, _ = select.select([watched], [], [], PATIENCE_S)
        os.close(watched)
        assert ready, "it lives"


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


def test_an_upgrade_replaces_the_engine_by_one_that_waits(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        engine, spare = running.lines(2)
        with running.asked({"do": "upgrade"}) as answers:
            assert running.line()["what"] == "next waits"
            assert running.line() == {"name": "engine", "what": "end", "pid": engine["pid"]}
            following = running.line()
            assert (following["what"], handed_over(following).starts) == ("started", 2)
            said, done = list(answers)
        assert said == {"say": "the version on disk is loading"}
        assert done["status"] == 0
        assert "version 1.2.3 was replaced by 1.2.3: 2 calls carried over" in done["say"]
        gone(spare["pid"])
        assert running.line()["what"] == "spare waits", "of the new version, too"
        assert running.state()["engine"] == {"pid": following["pid"], "starts": 2}
    finally:
        running.close()


def test_sighup_is_an_upgrade_and_what_does_not_come_up_changes_nothing(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0)
    try:
        engine = running.line()
        (tmp_path / "refuses").touch()
        running.process.send_signal(signal.SIGHUP)
        failed = running.line()
        assert failed["what"] == "next waits"
        gone(failed["pid"])
        assert alive(engine["pid"])
        running.process.send_signal(signal.SIGTERM)
        running.line()
        assert "goes on: line 3: nonsense" in running.ended()[1]
    finally:
        running.close()


def test_an_engine_that_is_killed_during_an_upgrade_is_followed_by_the_next(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0)
    try:
        engine = running.line()
        os.kill(engine["pid"], signal.SIGSTOP)
        with running.asked({"do": "upgrade"}) as answers:
            assert running.line()["what"] == "next waits"
            os.kill(engine["pid"], signal.SIGKILL)
            assert running.line()["what"] == "started"
            assert list(answers)[-1]["status"] == 0
    finally:
        running.close()


def test_an_engine_that_does_not_make_way_is_killed(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0)
    try:
        engine = running.line()
        os.kill(engine["pid"], signal.SIGSTOP)
        running.process.send_signal(signal.SIGHUP)
        assert running.line()["what"] == "next waits"
        assert running.line()["what"] == "started"
        gone(engine["pid"])
    finally:
        running.close()


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
