"""The engine is replaced by the version on disk, or by the old one again; tiny processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.engine.running import (
    Running,
    alive,
    gone,
    handed_over,
)


def test_an_upgrade_replaces_the_engine_by_one_that_waits(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        engine = running.line()
        spare = running.state()["spare"]["pid"]
        (tmp_path / "version").write_text("1.2.4")
        with running.asked({"do": "upgrade"}) as answers:
            following_spare = running.line()
            assert following_spare["what"] == "next waits"
            assert running.line() == {"name": "engine", "what": "end", "pid": engine["pid"]}
            following = running.line()
            assert (following["what"], handed_over(following).starts) == ("started", 2)
            said, done = list(answers)
        assert said == {"say": "the version on disk is loading"}
        assert done["status"] == 0
        assert "version 1.2.3 was replaced by 1.2.4: 2 calls carried over" in done["say"]
        gone(spare)
        running.until(lambda: running.state()["spare"]["pid"] != spare)
        assert running.state()["spare"] == {"pid": following_spare["pid"], "waits": True}
        assert running.state()["engine"] == {"pid": following["pid"], "starts": 2, "up": True}
    finally:
        running.close()


@pytest.mark.parametrize("how", ["exit1", "killed", "mute"])
def test_a_version_that_fails_after_the_switch_is_gone_back_from(tmp_path: Path, how: str) -> None:
    """The old version's spare is still there: it takes the calls over again."""
    running = Running(tmp_path, workers=0, spare=True, start_s=2.0)
    try:
        running.line()
        (tmp_path / "version").write_text("1.2.4")
        (tmp_path / "behaviour of 1.2.4").write_text(how.replace("killed", "mute"))
        with running.asked({"do": "upgrade"}) as answers:
            assert [running.line()["what"] for _ in range(3)] == ["next waits", "end", "started"]
            if how == "killed":
                os.kill(running.state()["engine"]["pid"], signal.SIGKILL)
            again = running.line()
            assert (again["what"], handed_over(again).starts) == ("started", 3)
            done = list(answers)[-1]
        assert done["status"] == 1
        assert "version 1.2.4 died at its start" in done["say"]
        assert "version 1.2.3 takes the calls over again" in done["say"]
        running.up()
        os.kill(again["pid"], signal.SIGKILL)
        assert running.line()["what"] == "started", "of the old version, which stays"
        running.up()
    finally:
        running.close()


def test_a_next_spare_that_dies_when_it_is_needed_is_done_without(tmp_path: Path) -> None:
    running = Running(tmp_path, workers=0, spare=True)
    try:
        running.line()
        (tmp_path / "dies when asked").touch()
        (tmp_path / "version").write_text("1.2.4")
        with running.asked({"do": "upgrade"}) as answers:
            assert [running.line()["what"] for _ in range(3)] == ["next waits", "end", "started"]
            done = list(answers)[-1]
        assert done["status"] == 1
        assert "not upgraded, the version that ran goes on" in done["say"]
        assert running.state()["engine"]["starts"] == 2
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
