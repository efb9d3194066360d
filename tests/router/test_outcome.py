"""One outcome for every call, in the glossary's order of precedence."""

from __future__ import annotations

import re
import typing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from router.events import Outcome
from router.inputs import Cause
from router.outcome import PRECEDENCE, Milestones, outcome_of

GLOSSARY = Path(__file__).parents[2] / "GLOSSARY.md"


def test_the_glossary_has_the_order_of_the_code() -> None:
    table = GLOSSARY.read_text().partition("| outcome | when | ticket |")[2]
    named = re.findall(r"^\| ([a-z-]+) \|", table, re.MULTILINE)
    assert named == [name for name, _ in PRECEDENCE]
    assert set(named) == set(typing.get_args(Outcome))


times = st.sampled_from([0.0, 1000.0])


@given(
    st.builds(
        Milestones,
        queued=times,
        waited_s=st.sampled_from([0.0, 4.9, 5.0, 60.0]),
        connected=times,
        dialled=times,
        talk_cut=times,
        message=times,
        callback=times,
        completed=times,
        overflowed=times,
        refused=times,
    ),
    st.sampled_from(typing.get_args(Cause)),
)
def test_every_call_has_one_outcome(marks: Milestones, cause: Cause) -> None:
    assert outcome_of(marks, cause) in typing.get_args(Outcome)
