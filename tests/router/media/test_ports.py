"""Ports: even, exclusive, rested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import MisuseError
from router.media.ports import PortPool


def test_pairs_of_the_range() -> None:
    pool = PortPool(20_001, 20_009, 10)
    assert [pool.take(0) for _ in range(5)] == [20_002, 20_004, 20_006, 20_008, None]


def test_it_begins_where_it_is_told() -> None:
    pool = PortPool(20_000, 20_007, 10, begin=1_000_002)
    assert [pool.take(0) for _ in range(5)] == [20_004, 20_006, 20_000, 20_002, None]


def test_a_freed_port_rests() -> None:
    pool = PortPool(20_000, 20_003, 10)
    first, second = pool.take(0), pool.take(0)
    assert (first, second) == (20_000, 20_002)
    pool.give_back(20_002, 5)
    assert pool.take(14.9) is None
    assert pool.free == 1
    assert pool.take(15) == 20_002
    with pytest.raises(MisuseError):
        pool.give_back(20_004, 15)


def test_a_wanted_port() -> None:
    pool = PortPool(20_000, 20_007, 10)
    assert pool.take(0, 20_004) == 20_004
    assert pool.take(0, 20_004) is None
    assert pool.take(0, 20_005) is None
    assert pool.take(0, 30_000) is None
    pool.give_back(20_004, 0)
    assert pool.take(1, 20_004) == 20_004
    assert [pool.take(99) for _ in range(4)] == [20_000, 20_002, 20_006, None]


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=200))
def test_never_twice_and_never_early(course: list[tuple[bool, float]]) -> None:
    pool, now, used, freed = PortPool(1024, 1033, 10), 0.0, [], {}
    for take, step in course:
        now += step
        if take:
            port = pool.take(now)
            if port is not None:
                assert port not in used
                assert now - freed.get(port, -10) >= 10
                used.append(port)
        elif used:
            port = used.pop(0)
            freed[port] = now
            pool.give_back(port, now)
        assert pool.free == 5 - len(used)
