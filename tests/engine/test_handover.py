"""What the supervisor is told survives its way; ports are shared out; restarts slow down."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import MisuseError
from engine.children import PAUSES_S, STEADY_S, Backoff
from engine.handover import (
    Handover,
    Listener,
    Listening,
    SupervisorPlan,
    Worker,
    WorkerAt,
    media_workers,
    socket_folder,
)
from engine.ledger import ledger_fd
from engine.line import UNSENT_MAX, hand_over, line_and_role, pair, take_over


def test_a_plan_survives_its_way() -> None:
    plan = SupervisorPlan(
        "data",
        (Listener("udp", "::1", 5060), Listener("tcp", "127.0.0.1", 0)),
        Listener("tcp", "127.0.0.1", 8080),
        (Worker("media-0", "/run/0.sock", ("python", "-m", "x")),),
        ("python", "-m", "engine.process"),
        12.5,
    )
    assert SupervisorPlan.from_json(plan.to_json()) == plan


def test_a_handover_survives_its_way() -> None:
    handover = Handover(
        (Listening("udp", "::1", 5060, 7),),
        Listening("tcp", "127.0.0.1", 8080, 8),
        (WorkerAt("media-0", "/run/0.sock"),),
        3,
    )
    assert Handover.from_json(handover.to_json(), [7, 8]) == handover
    ours, theirs = pair()
    with socket.socket() as udp, socket.socket() as tcp:
        ledger = ledger_fd(4)
        assert hand_over(ours, handover, ledger, [udp.fileno(), tcp.fileno()])
        os.close(ledger)
        given = take_over(theirs)
        assert given is not None
        taken = given.handover
        os.close(given.ledger_fd)
        for mine, its in ((udp, taken.sip[0].fd), (tcp, taken.api.fd)):
            assert os.fstat(mine.fileno()).st_ino == os.fstat(its).st_ino
            assert not os.get_inheritable(its)
            os.close(its)
    assert taken.sip[0]._replace(fd=7) == handover.sip[0]
    ours.close()
    assert take_over(theirs) is None, "the supervisor is gone"
    theirs.close()
    with pytest.raises(MisuseError, match="the supervisor starts the engine"):
        line_and_role({})


def test_a_line_keeps_what_the_other_end_does_not_take_yet() -> None:
    ours, theirs = pair()
    asked: list[bool] = []
    ours.on_unsent = lambda: asked.append(True)
    with pytest.raises(BlockingIOError):
        ours.hear()
    with socket.socket() as sock:
        inode = os.fstat(sock.fileno()).st_ino
        count = 0
        while ours.say({"n": count}, [sock.fileno()]):
            count += 1
            if ours.unsent == 3:
                break
    assert asked == [True]
    for n in range(count):
        heard = theirs.hear()
        assert heard is not None
        assert heard.message == {"n": n}
        assert os.fstat(heard.fds[0]).st_ino == inode, "also of one that was closed meanwhile"
        os.close(heard.fds[0])
        assert ours.flush()
    assert ours.unsent == 0
    with pytest.raises(MisuseError, match="too much"):
        ours.say({"x": "y" * 70_000})
    while ours.say({}):
        pass
    assert ours.unsent == UNSENT_MAX
    theirs.close()
    assert not ours.say({})
    assert (ours.unsent, ours.hear()) == (0, None)
    ours.close()


@given(st.integers(1, 64), st.integers(1024, 60_000), st.integers(256, 5_000))
def test_workers_get_even_parts_that_do_not_overlap(count: int, first: int, size: int) -> None:
    last = first + size - 1
    workers = media_workers("/run", count, ("127.0.0.1", "::1"), first, last, 10.0)
    assert len({worker.socket for worker in workers}) == len(workers) == count
    taken = first
    for worker in workers:
        ports = worker.command[worker.command.index("--ports") + 1]
        start, end = map(int, ports.split("-"))
        assert start % 2 == 0
        assert end % 2 == 1
        assert taken <= start < end <= last
        taken = end + 1


def test_a_long_data_dir_has_its_sockets_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert socket_folder("/srv/offhook") == "/srv/offhook/run"
    folder = socket_folder("/srv/" + "long/" * 40)
    assert os.path.dirname(folder) == str(tmp_path)
    assert folder == socket_folder("/srv/" + "long/" * 40)
    assert os.stat(folder).st_mode & 0o077 == 0


def test_who_fails_to_start_again_and_again_is_slowed_down() -> None:
    for code in (1, -signal.SIGKILL, -signal.SIGSEGV):
        backoff = Backoff()
        lives = [backoff.died(code, worked=False, lived_s=60.0) for _ in PAUSES_S]
        assert lives == list(PAUSES_S), "however long it took: it never worked"
        assert backoff.died(code, worked=False, lived_s=0.1) == PAUSES_S[-1]


def test_who_worked_and_is_killed_is_not_punished() -> None:
    backoff = Backoff()
    for code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        assert [backoff.died(code, worked=True, lived_s=0.1) for _ in range(20)] == [0.0] * 20


def test_who_ends_by_itself_soon_after_it_began_to_work_is_slowed_down() -> None:
    for code in (0, 1, -signal.SIGSEGV, -signal.SIGABRT):
        backoff = Backoff()
        assert [backoff.died(code, worked=True, lived_s=0.1) for _ in PAUSES_S] == list(PAUSES_S)
        assert backoff.died(code, worked=True, lived_s=STEADY_S) == 0.0
        assert backoff.died(code, worked=True, lived_s=0.1) == PAUSES_S[0]
