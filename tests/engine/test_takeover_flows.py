"""A caller in a flow whose engine died: what was said, what was asked of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr import actions as ivr
from ivr.actions import LookupDone
from ivr.loader import FlowSet, load_flows
from router import inputs as on
from router.media import protocol as media
from tests.engine import test_recovery as scenes
from tests.engine.desk import Desk
from tests.engine.test_takeover import begun, next_engine
from tests.fakes import turns_of_the_loop


async def test_a_prompt_that_nobody_had_rendered_yet_is_passed_over() -> None:
    """Its end would never be reported: the menu would wait for ten minutes."""
    desk = begun()
    scenes.in_flow(desk)
    (call,) = desk.turns.calls.values()
    text = ivr.Speech("hello", "en")
    desk.prompts.slow.add(text)
    desk.turns.feed(call.id, on.FlowSays((text,)))
    desk.turns.touch(call.id)  # the effect was performed, and the disk knows
    node = desk.flows.walks[call.id].position.node
    early = desk.journal.last_seq
    after = next_engine(desk)
    assert after.flows.walks[call.id].position.node != node
    assert after.workers.of(media.Play), "what follows is said"
    await desk.prompts.render()
    assert desk.journal.last_seq > early, "what the worker was told stands in the log"
    again = next_engine(desk)
    assert again.flows.walks[call.id].position.node == node, "the worker reports the end"


LOOKS_UP = """\
start: who
nodes:
  who:
    type: lookup
    url: http://127.0.0.1/who?number={caller}
    method: %s
    timeout_s: 5
    fields: {level: level}
    on_failure: plain
    next: sort
  sort:
    type: branch
    on: level
    cases:
      - {equals: gold, next: golden}
    otherwise: plain
  golden: {type: queue, queue: support, priority: 9}
  plain: {type: queue, queue: support}
"""


def waiting_for_an_answer(folder: Path, method: str = "GET") -> tuple[Desk, FlowSet]:
    (folder / "main.yaml").write_text(LOOKS_UP % method)
    flows = load_flows(folder, queues=frozenset({"support"}))
    desk = begun(flows)
    desk.call(dialled="37167000000")
    return desk, flows


async def test_a_lookup_is_asked_again_with_what_is_left_of_its_time(tmp_path: Path) -> None:
    desk, flows = waiting_for_an_answer(tmp_path)
    await turns_of_the_loop()
    after = next_engine(desk, flows=flows)  # a second later
    await turns_of_the_loop()
    (first,), (again,) = desk.lookups.asked, after.lookups.asked
    assert (again.url, again.timeout_s) == (first.url, pytest.approx(4.0))
    assert not after.floor.waiting()
    after.lookups.answers[0].set_result(LookupDone({"level": "gold"}))
    await turns_of_the_loop()
    (waiting,) = after.floor.waiting()
    assert waiting.priority == 9


async def test_what_may_not_be_asked_twice_has_failed(tmp_path: Path) -> None:
    desk, flows = waiting_for_an_answer(tmp_path, "POST")
    after = next_engine(desk, flows=flows)
    await turns_of_the_loop()
    assert after.lookups.asked == []
    (waiting,) = after.floor.waiting()
    assert waiting.priority == 0


async def test_a_lookup_whose_time_is_over_has_failed(tmp_path: Path) -> None:
    desk, flows = waiting_for_an_answer(tmp_path)
    desk.clock.at += 4.5
    desk.turns.touch(next(iter(desk.turns.calls)))
    after = next_engine(desk, flows=flows)
    await turns_of_the_loop()
    assert after.lookups.asked == []
    assert after.floor.waiting()
