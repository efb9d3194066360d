"""A caller in a flow whose engine died: what was said, what was asked of others."""

from __future__ import annotations

from ivr import actions as ivr
from router import inputs as on
from router.media import protocol as media
from tests.engine import test_recovery as scenes
from tests.engine.test_takeover import begun, next_engine


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
