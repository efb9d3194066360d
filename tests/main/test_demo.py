"""What the demo says of a call that does not go as told: the check that is off, not a traceback."""

from __future__ import annotations

from main.demo.calls import Stage, Story, perform
from main.demo.softphone import Softphone
from main.demo.system import System


class SilentStage(Stage):
    """Without a system: nobody answers, nothing is said."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.say = lambda who, what: None


async def test_a_story_that_fails_is_told_and_the_others_go_on() -> None:
    system = System.__new__(System)
    system.sip = ("127.0.0.1", 9)
    played = []

    async def stuck(stage: Stage, phone: Softphone) -> None:
        raise TimeoutError

    async def well(stage: Stage, phone: Softphone) -> None:
        played.append(phone.user)

    stories = (
        Story("1", "answered", "answered", "open", stuck),
        Story("2", "cut off while talking", "dropped", "open", well),
        Story("3", "left in the menu", "left-in-ivr", "closed", well),
    )
    problems = await perform(SilentStage(system), stories)
    assert problems == ["answered: the call does not go as told (TimeoutError)"]
    assert sorted(played) == ["2", "3"]
