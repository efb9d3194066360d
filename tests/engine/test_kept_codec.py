"""State as bytes and back: defaults, lasting values, versions that differ."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from config.errors import MisuseError
from engine import kept_codec
from engine.kept_codec import Codec


@dataclass(frozen=True, slots=True)
class Place:
    host: str
    ports: tuple[int, ...] = ()


@dataclass(slots=True)
class State:
    name: str
    place: Place | None = None
    times: dict[str, float] = field(default_factory=dict)
    count: int = 3


CODEC = Codec((Place, State), lasting=(Place,))


def test_a_state_comes_back_as_it_was() -> None:
    state = State("a", Place("here", (1, 2)), {"timer": 1.5}, 0)
    assert CODEC.decode(CODEC.encode(state)) == state


def test_what_is_as_the_default_takes_no_room() -> None:
    assert b"count" not in CODEC.encode(State("a"))
    assert CODEC.decode(CODEC.encode(State("a"))) == State("a")


def test_a_lasting_value_is_the_same_each_time_and_others_are_not_mistaken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_codec, "MADE_MAX", 3)
    codec = Codec((Place, State), lasting=(Place,))
    place = Place("here", (1,))
    for count in range(20):
        for found in (place, Place("there", (count,)), place):
            state = State(str(count), found)
            assert codec.decode(codec.encode(state)) == state


def test_a_field_that_this_version_does_not_know_is_left_out() -> None:
    data = CODEC.encode(State("a", count=7)).replace(b"count", b"munge")
    assert CODEC.decode(data) == State("a")


def test_what_nobody_declared_cannot_be_kept() -> None:
    with pytest.raises(MisuseError, match="object cannot be kept"):
        CODEC.encode(State("a", object()))  # type: ignore[arg-type]
    with pytest.raises(MisuseError, match="is not known here"):
        Codec((State,)).decode(CODEC.encode(Place("here")))
