"""Engines are forks of a spare, and what follows where that one dies or hangs; tiny processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.engine.running import (
    Running,
    alive,
    children_of,
    gone,
    handed_over,
    parent_of,
    sockets_of,
    sockets_of_its_line,
)


def test_engines_are_forks_of_one_spare(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        engine = running.line()
        spare = running.state()["spare"]
        assert spare["waits"]
        assert not sockets_of(spare["pid"]) - sockets_of_its_line(spare["pid"])
        for starts in range(2, 12):  # back to back: nobody who was killed is punished for it
            before = engine
            os.kill(engine["pid"], signal.SIGKILL)
            engine = running.line()
            assert (engine["what"], engine["pid"] != before["pid"]) == ("started", True)
            assert engine["group"] == engine["pid"], "what an engine leaves ends with it"
            assert handed_over(engine).starts == starts
            assert running.state()["spare"] == spare
            assert parent_of(engine["pid"]) == running.process.pid
            running.up()
        assert children_of(running.process.pid) == {spare["pid"], engine["pid"]}, "all reaped"
        assert children_of(spare["pid"]) == set()
        running.process.send_signal(signal.SIGTERM)
        assert running.line()["what"] == "SIGTERM"
        status, said = running.ended()
        assert status == 0
        assert "again and again" not in said
        assert not alive(spare["pid"])
        assert not alive(engine["pid"])
    finally:
        running.close()


def test_what_an_engine_left_behind_is_reaped(tmp_path: Path) -> None:
    """A process of its own group whose parent is killed becomes the supervisor's."""
    running = Running(tmp_path, engine="leaves a child", workers=0, spare=True)
    left: list[int] = []

    def began() -> int:
        """The engine; it and its child say so in any order."""
        pids = {line["what"]: line["pid"] for line in running.lines(2)}
        left.append(pids["left"])
        assert parent_of(pids["left"]) == pids["started"]
        return int(pids["started"])

    try:
        os.kill(began(), signal.SIGKILL)
        began()
        assert parent_of(left[0]) == running.process.pid
        os.kill(left[0], signal.SIGKILL)
        running.until(lambda: left[0] not in children_of(running.process.pid))
    finally:
        for pid in left[1:]:
            os.kill(pid, signal.SIGKILL)
        running.close()


def test_without_a_spare_one_is_loaded_when_it_is_needed(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=False)
    try:
        for starts in (1, 2):
            engine = running.line()
            assert (engine["what"], handed_over(engine).starts) == ("started", starts)
            running.up()
            running.until(lambda: running.state()["spare"]["pid"] is None)
            os.kill(engine["pid"], signal.SIGKILL)
    finally:
        running.close()


def test_a_spare_that_dies_is_made_again_and_the_engine_lives(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        engine = running.line()
        spare = running.state()["spare"]["pid"]
        os.kill(spare, signal.SIGKILL)
        assert running.line()["what"] == "spare waits"
        running.until(lambda: running.state()["spare"]["waits"])
        assert running.state()["spare"]["pid"] != spare
        assert alive(engine["pid"])
        running.process.kill()
        told = running.line()
        assert (told["what"], told["pid"]) == ("SIGTERM", engine["pid"])
        gone(engine["pid"])
    finally:
        running.close()


def test_a_spare_that_hangs_when_it_is_needed_is_replaced(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        engine = running.line()
        spare = running.state()["spare"]["pid"]
        os.kill(spare, signal.SIGSTOP)
        os.kill(engine["pid"], signal.SIGKILL)
        again = running.line()
        assert (again["what"], handed_over(again).starts) == ("started", 2)
        gone(spare)
        running.process.send_signal(signal.SIGTERM)
        running.line()
        assert f"spare (pid {spare}) does not fork an engine and is killed" in running.ended()[1]
    finally:
        running.close()


def test_a_spare_that_hangs_is_found_before_it_is_needed(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        running.line()
        spare = running.state()["spare"]["pid"]
        os.kill(spare, signal.SIGSTOP)
        assert running.line()["what"] == "spare waits"
        gone(spare)
    finally:
        running.close()


def test_who_hangs_while_it_starts_up_is_killed(tmp_path: Path) -> None:
    """A spare that does not load, then one that does."""
    (tmp_path / "hangs").touch()
    running = Running(tmp_path, workers=0, spare=True, start_s=2.0)
    try:
        hangs = running.line()
        assert hangs["what"] == "hangs"
        (tmp_path / "hangs").unlink()
        assert running.line()["what"] == "started"
        gone(hangs["pid"])
        running.process.send_signal(signal.SIGTERM)
        running.line()
        assert f"spare (pid {hangs['pid']}) shows no sign of life" in running.ended()[1]
    finally:
        running.close()


def test_an_engine_that_hangs_before_it_is_up_is_killed(tmp_path: Path) -> None:
    running = Running(tmp_path, engine="mute", workers=0, spare=True, start_s=2.0)
    try:
        engine = running.line()
        again = running.line()
        assert (again["what"], again["pid"] != engine["pid"]) == ("started", True)
        gone(engine["pid"])
    finally:
        running.close()
