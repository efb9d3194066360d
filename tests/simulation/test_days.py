"""Seeded days with loss, duplication and deaths, read by a store that fails: nothing is lost.

``python -m tests.simulation --seeds 5000`` plays more of them. A failing seed is in the test's
output, with the command that plays it again.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from router import events as facts
from tests.simulation.__main__ import explore, wrong_in
from tests.simulation.days import KINDS
from tests.simulation.oracles import log_is_sound
from tests.simulation.store import Store
from tests.simulation.wired import BAD, Wired

SEEDS = 12  # of each kind


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Deaths are logged; here they are the rule."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = Store()
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_lost(kind: str, store: Store) -> None:
    wrong = {seed: found for seed in range(SEEDS) if (found := await wrong_in(kind, seed, store))}
    assert wrong == {}, f"python -m tests.simulation --kind {kind} --first N --seeds 1"


def played(seed: int) -> Wired:
    world = Wired(seed, BAD)
    world.live(60.0)
    for _ in range(3):
        world.run(10.0)
        world.kill()
    world.run(30.0)
    world.drain()
    return world


def test_a_seed_is_a_day() -> None:
    first, second = played(3), played(3)
    assert first.entries == second.entries
    assert first.network.sent == second.network.sent
    assert first.kills == 3


def test_a_day_has_what_days_have() -> None:
    names = {type(entry.event).__name__ for seed in range(10) for entry in played(seed).entries}
    assert names >= {
        *("CallConnected", "CallHeld", "CallTransferred", "RecordingClosed", "CallbackReached"),
        *("OfferMade", "QueueVisitEnded", "SecondLifeEnded", "DigitPressed"),
    }


def test_what_goes_wrong_is_seen() -> None:
    """The oracles themselves: a log that lacks an end, or has one twice, is told."""
    entries = played(1).entries
    ended = next(entry for entry in entries if isinstance(entry.event, facts.CallEnded))
    assert list(log_is_sound(entries)) == []
    assert list(log_is_sound([entry for entry in entries if entry is not ended]))
    assert list(log_is_sound([*entries, ended]))


async def test_a_failing_seed_is_printed_with_what_plays_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "engine", lambda seed: (["lost"] if seed == 7 else [], None))
    assert await explore(["engine"], 5, 4) == 1
    said = capsys.readouterr().out
    assert "FAILED engine 7" in said
    assert "python -m tests.simulation --kind engine --first 7 --seeds 1" in said
    assert await explore(["engine"], 8, 4) == 0
