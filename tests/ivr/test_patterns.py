"""Patterns of flows stay tame; templates put values in their place and nowhere else."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.patterns import check, matches
from ivr.templates import expand, expand_header, expand_json, expand_url, names


@pytest.mark.parametrize(
    "pattern", [r"\+371\d{8}", r"[12]\d*", r"(\+371|00371)2.*", r"a?b+c{2,3}", r"[]a]+", r"[^)(*]+"]
)
def test_allowed(pattern: str) -> None:
    check(pattern)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"(a+)+", "a group must not repeat"),
        (r"(a|b){3}", "a group must not repeat"),
        (r"(?=a)", "'(?' is not allowed"),
        (r"(a)\1", "'\\\\1' is not allowed"),
        (r"a*b*c*d*", "more than 3 repeats"),
        (r"a{2,500}", "more than 64"),
        (r"(a", "is no regular expression"),
        ("a" * 201, "longer than 200"),
    ],
)
def test_refused(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        check(pattern)


@settings(deadline=None)
@given(
    st.text("ab(.*+?{}[]|\\^$1,)-", max_size=12),
    st.text("ab1", max_size=64),
)
def test_what_is_allowed_is_quick(pattern: str, value: str) -> None:
    try:
        check(pattern)
    except ValueError:
        return
    begun = time.process_time()
    matches(pattern, value)
    assert time.process_time() - begun < 0.5


def test_the_worst_allowed_is_quick() -> None:
    check(r"a*a*a*b")
    begun = time.process_time()
    assert not matches(r"a*a*a*b", "a" * 64)
    assert time.process_time() - begun < 0.2
    assert not matches("a*", "a" * 65)


def test_templates() -> None:
    known = {"a": "x{b}", "b": "1&2\r\nevil: 1"}
    assert expand("{a} {c} {A} {}", known) == "x{b}  {A} {}"
    assert expand_url("/q?x={b}", known) == "/q?x=1%262%0D%0Aevil%3A%201"
    assert expand_header("{b}", known) == "1&2 evil: 1"
    assert expand_json({"k": ["{a}", 1, None], "{a}": True}, known) == {
        "k": ["x{b}", 1, None],
        "{a}": True,
    }
    assert names("{a} {b_2} {A}") == ("a", "b_2")
    assert len(expand("{b}" * 3000, {"b": "y" * 500})) == 2000
