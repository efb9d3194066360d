"""Events survive the codec, also between versions."""

from __future__ import annotations

from dataclasses import dataclass, fields

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import MisuseError
from engine.registry import Registry, Unknown, product_registry
from router.events import CallEnded
from tests.engine.journal_fakes import Silent, Spoken, registry

spoken = st.builds(
    Spoken,
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.lists(st.text()).map(tuple),
    st.dictionaries(st.text(), st.integers(0, 9)),
)


@given(st.integers(1, 2**62), st.floats(0, 1e11), st.text(), spoken | st.builds(Silent))
def test_what_goes_in_comes_out(seq: int, at: float, call: str, event: object) -> None:
    kept = registry()
    assert kept.decode(kept.encode(seq, at, call, event)) == (seq, at, call, event)


@pytest.mark.parametrize("cls", product_registry().types.values())
def test_every_event_of_the_product_survives(cls: type) -> None:
    kept = product_registry()
    event = msgspec.convert(
        {spec.name: _sample(str(spec.type)) for spec in fields(cls)}, cls, strict=False
    )
    assert kept.decode(kept.encode(7, 1.5, "c1", event)) == (7, 1.5, "c1", event)


def _sample(annotation: str) -> object:
    """A value for a field's annotation as the sources write it."""
    samples: dict[str, object] = {
        "str": "text",
        "bytes": b"state",
        "int": 3,
        "float": 2.5,
        "bool": True,
        "tuple[str, ...]": ("a", "b"),
        "tuple[tuple[str, str], ...]": (("a", "1"),),
        "dict[str, int]": {"a": 1},
        "Outcome": "answered",
        "Presence": "talking",
        "VisitEnd": "connected",
        "OfferEnd": "accepted",
        "OfferKind": "callback",
        "CallbackEnd": "gave-up",
        "CallbackStage": "resting",
        "RaiseReason": "agent-left",
        "SortKey": (1, 2.0, 3),
        "tuple[tuple[str, SortKey], ...]": (("a", (1, 2.0, 3)),),
    }
    if annotation.startswith("Literal["):
        return annotation.removeprefix("Literal[").split(",")[0].strip(" \"']")
    return samples[annotation.split(" | ")[0]]


def test_a_type_of_a_newer_version_is_kept_as_it_stands() -> None:
    newer, older = Registry((Spoken, Silent)), Registry((Silent,))
    body = newer.encode(1, 2.0, "c", Spoken("hello", 2))
    seq, at, call, event = older.decode(body)
    assert (seq, at, call) == (1, 2.0, "c")
    assert event == Unknown("Spoken", {"words": "hello", "count": 2, "tags": [], "levels": {}})
    assert newer.decode(older.encode(1, 2.0, "c", event)) == (1, 2.0, "c", Spoken("hello", 2))


def test_a_further_field_is_left_out_and_a_missing_one_takes_its_default() -> None:
    body = msgspec.msgpack.encode((1, 2.0, "c", "Spoken", {"words": "hi", "volume": 11}))
    assert registry().decode(body)[3] == Spoken("hi")


def test_a_field_that_grew_another_value_makes_it_unknown() -> None:
    fields_of_it = {"outcome": "teleported", "cause": "x"}
    body = msgspec.msgpack.encode((1, 2.0, "c", "CallEnded", fields_of_it))
    assert product_registry().decode(body)[3] == Unknown("CallEnded", fields_of_it)
    assert CallEnded.__name__ in product_registry().names


def test_a_stranger_among_the_events_is_our_mistake() -> None:
    @dataclass(frozen=True, slots=True)
    class Stranger:
        name: str = ""

    with pytest.raises(MisuseError, match="Stranger is in no package's EVENTS"):
        registry().encode(1, 1.0, "", Stranger())
    with pytest.raises(MisuseError, match="two event types"):
        Registry((Silent, Silent))
    with pytest.raises(MisuseError, match="cannot be an event"):
        Registry((int,))
