"""Lines and timers against the obvious way to do it."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from queues import order
from queues.order import Line
from queues.timers import Kind, Timers

keys = st.tuples(st.integers(0, 20), st.integers(0, 400))


@given(st.lists(st.tuples(st.booleans(), keys), max_size=300))
def test_a_line_is_a_sorted_list(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    line: Line[tuple[int, int]] = Line()
    plain: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "BLOCK_MAX", 6)
        for adds, key in steps:
            if adds and key not in plain:
                line.add(key)
                plain = sorted([*plain, key])
            elif key in plain:
                line.remove(key)
                plain.remove(key)
            else:
                with pytest.raises(KeyError):
                    line.index(key)
            assert list(line) == plain
            assert len(line) == len(plain)
            assert line.first() == (plain[0] if plain else None)
        assert [line.index(key) for key in plain] == list(range(len(plain)))


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "drop", "pop"]),
            st.sampled_from(list(Kind)),
            st.sampled_from("ab"),
            st.integers(0, 9),
        ),
        max_size=200,
    )
)
def test_timers_fall_due_in_order_once(steps: list[tuple[str, Kind, str, int]]) -> None:
    timers = Timers()
    plain: dict[tuple[Kind, str], float] = {}
    for what, kind, ident, at in steps:
        if what == "set":
            timers.set(kind, ident, float(at))
            plain[kind, ident] = float(at)
        elif what == "drop":
            timers.drop(kind, ident)
            plain.pop((kind, ident), None)
        else:
            due = sorted((time, key) for key, time in plain.items() if time <= at)
            popped = timers.pop(float(at))
            first = [(time, key[0]) for time, key in due[:1]]
            assert popped == [key for time, key in due if [(time, key[0])] == first]
            for key in popped:
                del plain[key]
        assert timers.pending() == plain
        assert timers.next == min(plain.values(), default=None)


def test_timers_moved_over_and_over_take_no_more_room() -> None:
    timers = Timers()
    for at in range(10_000):
        timers.set(Kind.LEASE, "ann", float(at))
    assert len(timers._heap) < 100
    assert timers.pop(1e9) == [(Kind.LEASE, "ann")]
    assert timers.next is None
