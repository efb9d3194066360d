"""The demo's five callers and its agent: what each does, second by second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

import httpx

from config.errors import PeerError
from ivr.catalogue import catalogue
from main.demo.rtp_line import tone
from main.demo.softphone import Softphone
from main.demo.system import CALLERS, System

CALLER_HZ = 440.0
AGENT_HZ = 660.0
UP_S = 10.0
ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Story:
    """A call of the demo: who calls, what they do, what must be left of it."""

    number: str
    title: str
    outcome: str
    status: str
    play: Callable[[Stage, Softphone], Coroutine[None, None, None]]


class Stage:
    """What the stories share: the system, the agent's phone, a say to the terminal."""

    def __init__(self, system: System, say: Callable[[str, str], None]) -> None:
        self.system = system
        self.say = say
        self.agent = Softphone("101", system.password("101"), "127.0.0.1", system.sip)
        self.agent_answers = asyncio.Event()
        self.heard_by_agent = b""

    async def open(self) -> None:
        """Anna registers her softphone and signs in over REST."""
        agent = self.agent
        await agent.start()
        await agent.register()
        self.say("anna", "registered the softphone 101 (digest)")
        agent.line.speak(tone(AGENT_HZ))
        agent.on_ring = self._ring
        await self.presence("available")

    def _ring(self, leg: str) -> None:
        self.say("anna", "the softphone rings")
        asyncio.get_running_loop().call_later(0.6, self._answer)

    def _answer(self) -> None:
        if not self.agent.over.is_set():
            self.agent.answer()
            self.agent_answers.set()
            self.say("anna", "answers")

    async def presence(self, presence: str) -> None:
        async with self.system.client() as client:
            answer = await client.post("/agents/anna/presence", json={"presence": presence})
            answer.raise_for_status()
        self.say("anna", f"is now {presence}")

    async def close(self, *, sign_out: bool) -> None:
        """``sign_out``: the system stays on, and the next phone of 101 is a person's."""
        if sign_out:
            await self.presence("signed-out")
            await self.agent.register(expires_s=0)
        self.agent.vanish()


def speech() -> bytes:
    """A voice: what the shipped prompts say, for a caller who talks while waiting."""
    return b"".join(path.read_bytes() for path in catalogue().files("callback-number", "en"))


async def _dial(stage: Stage, phone: Softphone, voice: bytes) -> None:
    phone.line.speak(voice)
    phone.call("100", phone.user)
    await asyncio.wait_for(phone.up.wait(), UP_S)
    stage.say(phone.user, "hears the menu")


async def _press(stage: Stage, phone: Softphone, key: str, meaning: str) -> None:
    await asyncio.sleep(0.5)
    await phone.line.press(key)
    stage.say(phone.user, f"presses {key}: {meaning}")


async def _talk(stage: Stage, phone: Softphone, seconds: float) -> None:
    await asyncio.wait_for(stage.agent_answers.wait(), ANSWER_S)
    stage.agent_answers.clear()
    stage.say(phone.user, f"talks with anna for {seconds:.0f} s")
    await asyncio.sleep(seconds)


async def answered(stage: Stage, phone: Softphone) -> None:
    await _dial(stage, phone, tone(CALLER_HZ))
    await _press(stage, phone, "1", "support")
    await _talk(stage, phone, 4.0)
    phone.hang_up()
    stage.say(phone.user, "hangs up")
    await asyncio.sleep(2.0)


async def abandoned(stage: Stage, phone: Softphone) -> None:
    """Nobody is signed in to take it; the caller gives up after the short-abandon threshold."""
    await stage.presence("on-break")
    await _dial(stage, phone, speech())
    await _press(stage, phone, "1", "support")
    since = time.monotonic()
    await asyncio.sleep(6.5)
    phone.hang_up()
    stage.say(phone.user, f"gives up waiting after {time.monotonic() - since:.1f} s")
    await stage.presence("available")


async def cut_off(stage: Stage, phone: Softphone) -> None:
    """The caller's phone dies in the talk: no BYE, no packet more."""
    await _dial(stage, phone, tone(CALLER_HZ))
    await _press(stage, phone, "1", "support")
    await _talk(stage, phone, 2.0)
    phone.vanish()
    stage.say(phone.user, "vanishes in mid-sentence (no BYE)")
    await asyncio.wait_for(stage.agent.over.wait(), ANSWER_S)
    stage.say("anna", "is told that the caller is gone")


async def left_in_menu(stage: Stage, phone: Softphone) -> None:
    await _dial(stage, phone, speech())
    await asyncio.sleep(1.5)
    phone.hang_up()
    stage.say(phone.user, "hangs up in the menu")


async def callback(stage: Stage, phone: Softphone) -> None:
    await _dial(stage, phone, speech())
    await _press(stage, phone, "2", "please call me back")
    await asyncio.wait_for(phone.over.wait(), ANSWER_S)
    stage.say(phone.user, "hears the promise; Offhook hangs up")


STORIES = (
    Story("+37120000001", "answered", "answered", "awaiting-disposition", answered),
    Story("+37120000002", "abandoned in the queue", "missed", "open", abandoned),
    Story("+37120000003", "cut off while talking", "dropped", "open", cut_off),
    Story("+37120000004", "left in the menu", "left-in-ivr", "closed", left_in_menu),
    Story("+37120000005", "asks for a callback", "callback-requested", "open", callback),
)
APART = ("answered", "cut off while talking", "abandoned in the queue")  # they share anna


async def perform(stage: Stage, stories: Sequence[Story] = STORIES) -> list[str]:
    """Those who need anna one after the other, the others beside them; says what went wrong."""
    problems = []

    async def one(story: Story) -> None:
        phone = Softphone(story.number, "", CALLERS, stage.system.sip)
        await phone.start()
        stage.say(story.number, f"calls ({story.title})")
        try:
            await story.play(stage, phone)
        except (TimeoutError, PeerError, httpx.HTTPError) as error:
            problem = f"the call does not go as told ({type(error).__name__})"
            stage.say(story.number, problem)
            problems.append(f"{story.title}: {problem}")
        finally:
            phone.vanish()

    async def in_turn() -> None:
        for title in APART:
            for story in stories:
                if story.title == title:
                    await one(story)

    async with asyncio.TaskGroup() as group:
        group.create_task(in_turn())
        for story in stories:
            if story.title not in APART:
                group.create_task(one(story))
    return problems
