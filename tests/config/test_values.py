"""A value: made like a plain dataclass, compared and hashed like a frozen one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from config.values import changed, value


@value(frozen=True, slots=True)
class Place:
    host: str
    port: int = 5060


def test_equal_values_are_one_key() -> None:
    assert Place("a") == Place("a", 5060)
    assert len({Place("a"), Place("a"), Place("b")}) == 2


def test_what_is_done_with_dataclasses_can_be_done_with_it() -> None:
    other = dataclasses.replace(Place("a"), port=1)
    assert other == Place("a", 1)
    assert [field.name for field in dataclasses.fields(Place)] == ["host", "port"]
    match other:
        case Place(host, port):
            assert (host, port) == ("a", 1)


def test_it_has_no_other_fields() -> None:
    assert not hasattr(Place("a"), "__dict__")


def test_no_value_is_declared_as_one_that_changes() -> None:
    with pytest.raises(AssertionError):
        value(frozen=False)


def test_a_changed_value_is_another_one() -> None:
    place = Place("a")
    assert changed(place, port=1) == Place("a", 1)
    assert changed(place, host="b", port=2) == Place("b", 2)
    assert place == Place("a", 5060)


def test_a_field_that_is_not_there_is_not_changed() -> None:
    unchecked: Any = changed
    with pytest.raises(AttributeError):
        unchecked(Place("a"), colour="red")
