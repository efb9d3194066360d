"""Alarms against the obvious model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.sip.alarms import Alarms

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "clear", "clear all", "due"]),
        st.sampled_from("abc"),
        st.sampled_from("xy"),
        st.floats(0, 100),
    ),
    max_size=60,
)


@given(STEPS)
def test_alarms(steps: list[tuple[str, str, str, float]]) -> None:
    alarms, model = Alarms(), {}  # type: ignore[var-annotated]
    for what, owner, kind, at in steps:
        if what == "set":
            alarms.set(owner, kind, at)
            model[owner, kind] = at
        elif what == "clear":
            alarms.clear(owner, kind)
            model.pop((owner, kind), None)
        elif what == "clear all":
            alarms.clear_all(owner)
            model = {key: value for key, value in model.items() if key[0] != owner}
        else:
            while (due := alarms.due(at)) is not None:
                assert model.pop(due) <= at
            assert all(value > at for value in model.values())
        assert alarms.next == min(model.values(), default=None)
        assert len(alarms) == len(model)
        assert all(alarms.is_set(*key) for key in model)


def test_moving_an_alarm_for_ever_costs_no_memory() -> None:
    alarms = Alarms()
    for number in range(10_000):
        alarms.set("leg", "2xx", float(number))
    assert len(alarms._heap) < 200
    assert alarms.next == 9999.0
