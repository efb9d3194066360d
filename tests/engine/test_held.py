"""Streams between two engines: those in step are handed on, the others are closed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest

from config.errors import MisuseError
from engine.handover import HeldStream
from engine.held import Held
from engine.journal import Journal
from engine.kept_streams import KeptStreams
from engine.ledger import Ledger
from engine.line import FDS_MAX, Line, pair
from tests.fakes import FakeJournal

SLOTS = 3


class FakeStream:
    """What the keeper reads of a stream."""

    def __init__(self, number: int, opened_for: tuple[str, int] | None = None) -> None:
        self.number = number
        self.opened_for = opened_for
        self.flow = HeldStream(0, number, 1, ("", 0))  # its listener


class Node:
    """The supervisor's and the engine's side of streams, with sockets between them."""

    def __init__(self, slots: int = SLOTS) -> None:
        self.held = Held(slots)
        self.ours, theirs = pair()
        theirs.socket.setblocking(False)
        self.theirs = theirs
        self.journal = FakeJournal()
        self.keeper = self.engine([])

    def engine(self, back: list[tuple[HeldStream, int]]) -> KeptStreams:
        journal = cast(Journal, self.journal)
        return KeptStreams(self.theirs, Ledger(self.held.ledger_fd), journal, back)

    def open(self, number: int, opened_for: tuple[str, int] | None = None) -> socket.socket:
        """The far end of a new stream; the near one is the supervisor's alone."""
        near, far = socket.socketpair()
        stream: Any = FakeStream(number, opened_for)
        self.keeper.opened(stream, near.fileno())
        near.close()
        self.hear()
        far.setblocking(False)
        return far

    def hear(self) -> None:
        """The supervisor takes what it is told."""
        while True:
            try:
                heard = self.ours.hear()
            except BlockingIOError:
                if not self.theirs.unsent:
                    return
                self.theirs.flush()
                continue
            assert heard is not None
            if "hold" in heard.message:
                self.held.hold(heard.message["hold"], heard.fds)
            else:
                self.held.drop(heard.message["drop"])

    def next_engine(self) -> int:
        """The engine is dead; how many streams died with it."""
        closed = self.held.give(self.ours)
        back: list[tuple[HeldStream, int]] = []
        while True:
            try:
                heard = self.theirs.hear()
            except BlockingIOError:
                if not self.ours.unsent:
                    break
                self.ours.flush()
                continue
            assert heard is not None
            told = [HeldStream.of(one) for one in heard.message["streams"]]
            back += zip(told, heard.fds, strict=True)
        self.keeper = self.engine(back)
        return closed

    def close(self) -> None:
        for *_, sock in self.keeper.back:
            sock.close()
        self.held.close()
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def node() -> Iterator[Node]:
    it = Node()
    yield it
    it.close()


def is_open(far: socket.socket) -> bool:
    try:
        return far.recv(1) != b""
    except BlockingIOError:
        return True


def test_a_stream_in_step_goes_to_the_next_engine_and_the_one_after(node: Node) -> None:
    with node.open(5) as accepted, node.open(6, ("192.0.2.1", 5060)) as opened:
        for _ in range(2):
            assert node.next_engine() == 0
            (one, other) = node.keeper.back
            assert (one[:3], other[:3]) == ((5, 1, None), (6, 1, ("192.0.2.1", 5060)))
            assert node.keeper.numbers == {5: 5, 6: 6}
            one[3].send(b"x")
            assert accepted.recv(1) == b"x"
            for *_, sock in node.keeper.back:
                sock.close()
            node.keeper.back.clear()
        assert is_open(accepted)
        assert is_open(opened)


@pytest.mark.parametrize("in_hand", ["read", "not durable", "not kept", "unsent"])
def test_a_stream_in_hand_dies_with_the_engine(node: Node, in_hand: str) -> None:
    node.journal.slow = True
    with node.open(5) as cut, node.open(6) as whole:
        for number in (5, 6):
            node.keeper.reading(number)
        node.keeper.done(6)
        if in_hand == "unsent":
            node.keeper.done(5)
            node.keeper.writing(5, True)
        elif in_hand == "not durable":
            node.journal.append("c1", object(), 1.0)
            node.keeper.done(5)
        elif in_hand == "not kept":  # what it made of a leg is written with the next batch
            node.journal.keep("leg", lambda: node.journal.append("c1", object(), 1.0))
            node.keeper.done(5)
        assert node.next_engine() == 1
        assert not is_open(cut)
        assert is_open(whole)
        assert node.keeper.numbers == {6: 6}


def test_what_is_read_while_the_disk_is_at_work_is_in_hand(node: Node) -> None:
    node.journal.slow = True
    with node.open(5) as far:
        node.keeper.reading(5)
        node.journal.append("c1", object(), 1.0)
        node.keeper.done(5)
        node.keeper.reading(5)  # half a message more
        node.journal.sync()
        assert node.next_engine() == 1
        assert not is_open(far)


def test_all_done_and_durable_is_in_step(node: Node) -> None:
    node.journal.slow = True
    with node.open(5) as far:
        node.keeper.reading(5)
        node.journal.append("c1", object(), 1.0)
        node.keeper.writing(5, True)
        node.keeper.done(5)
        node.journal.sync()
        node.keeper.writing(5, False)
        assert node.next_engine() == 0
        assert is_open(far)


def test_a_closed_stream_is_let_go_and_its_slot_used_again(node: Node) -> None:
    fars = [node.open(number) for number in range(1, SLOTS + 1)]
    with node.open(9) as beyond:
        assert not is_open(beyond), "more than can be held: it dies with the engine"
    node.keeper.closed(1)
    node.hear()
    assert not is_open(fars[0])
    with node.open(10) as again:
        assert is_open(again)
        assert len(node.held) == SLOTS
    for far in fars:
        far.close()


def test_a_supervisor_that_is_behind_is_told_later(node: Node) -> None:
    with node.open(1) as far:
        while node.theirs.say({"drop": 2}):
            pass
        node.keeper.closed(1)
        node.hear()
        assert is_open(far), "not told yet"
        with node.open(2) as other:
            assert is_open(other)
        assert not is_open(far)


def test_more_than_a_message_holds() -> None:
    count = 11 * FDS_MAX  # more than messages of the kernel, too
    node = Node(count)
    try:
        fars = [node.open(number) for number in range(1, count + 1)]
        assert node.next_engine() == 0
        assert len(node.keeper.back) == count
        for far in fars:
            far.close()
    finally:
        node.close()


def test_numbers_of_another_engine_are_never_given_again(node: Node) -> None:
    node.journal.generation = 3
    assert node.keeper.first_number == 3 << 20


def test_nothing_is_kept_without_slots() -> None:
    node = Node(0)
    with node.open(1) as far:
        assert not is_open(far)
        node.keeper.reading(1)
        node.keeper.done(1)
        node.keeper.closed(1)
        assert node.next_engine() == 0
    node.close()


def test_a_line_refuses_what_no_message_holds() -> None:
    ours, theirs = pair()
    with pytest.raises(MisuseError, match="too much"):
        ours.say({}, [0] * (FDS_MAX + 1))
    for line in (ours, theirs):
        assert isinstance(line, Line)
        line.close()
