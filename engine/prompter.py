"""Prompts: what a call wants said becomes files for its worker to play."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from engine.floorside import FloorSide
from engine.legs import Legs
from engine.tasks import Tasks
from engine.turns import Turns, register
from engine.workers import Workers
from ivr import actions as ivr
from ivr.prompts import PromptStore
from router import effects as do
from router import inputs as on
from router.call import Call
from router.media import protocol as media

WAIT_MIN_MAX = 60  # a longer wait is nothing to tell a caller who can be called back


def ivr_prompt(prompt: object) -> ivr.Prompt:
    """The IVR's value of a prompt: the router's own phrases, or what the IVR gave itself."""
    if isinstance(prompt, do.Phrase):
        return ivr.Phrase(prompt.name, prompt.language)
    if isinstance(prompt, ivr.Audio | ivr.Speech | ivr.Phrase):
        return prompt
    raise TypeError(f"not a prompt: {type(prompt).__name__}")


class Prompter:
    """Performs Play and TellPosition. A prompt that must be rendered first does not block:
    music plays until it is ready, and it is dropped if the call went on meanwhile: it would
    take the caller's ear away from the agent."""

    def __init__(
        self,
        turns: Turns,
        legs: Legs,
        workers: Workers,
        floor: FloorSide,
        prompts: PromptStore,
    ) -> None:
        self._turns = turns
        self._legs = legs
        self._workers = workers
        self._floor = floor
        self._prompts = prompts
        self._tasks = Tasks("prompts")
        register(
            turns.outer,
            {
                do.Play: self._play,
                do.TellPosition: self._tell_position,
            },
        )

    async def close(self) -> None:
        await self._tasks.close()

    def _tell_position(self, call: Call, effect: do.TellPosition) -> None:
        if call.phase != "waiting":  # it went on while the disk was slow
            return
        language = effect.language
        prompts: list[object] = list(effect.first)
        if effect.position:
            prompts.append(ivr.Phrase(f"position-{self._floor.position(call.id)}", language))
        if effect.wait:
            estimate = self._floor.estimate(call.id)
            minutes = ceil(estimate.high_s / 60) if estimate is not None else 0
            if estimate is not None and 0 < minutes <= WAIT_MIN_MAX:
                call.promised_at = self._turns.now() + estimate.high_s
                self._turns.touch(call.id)
                prompts.append(ivr.Phrase(f"wait-{minutes}", language))
        if effect.greeting and effect.callback_key:
            prompts.append(ivr.Phrase(f"press-{effect.callback_key}-for-callback", language))
        self._play(call, do.Play(effect.leg, effect.play, tuple(prompts)))

    def _play(self, call: Call, effect: do.Play) -> None:
        prompts = [ivr_prompt(prompt) for prompt in effect.prompts]
        files = self._prompts.at_once(prompts)
        if files is not None:
            self._send(call, effect, files)
            return
        if effect.then_music:
            self._send(call, replace(effect, play=f"{effect.play}-meanwhile"), ())
        self._tasks.start(self._render(call, effect, prompts))

    async def _render(self, call: Call, effect: do.Play, prompts: list[ivr.Prompt]) -> None:
        files = await self._prompts.files(prompts)
        if call.play != effect.play or call.phase in ("talking", "ended"):
            return
        if files:
            self._turns.on_behalf(call.id, lambda: self._send(call, effect, files))
        else:
            self._turns.feed(call.id, on.PlayDone(effect.leg, effect.play))

    def _send(self, call: Call, effect: do.Play, files: tuple[str, ...]) -> None:
        io = self._legs.by_id.get(effect.leg)
        if io is None or io.media_over:
            return
        music = self._workers.music(call.id)
        then = music if effect.then_music else ()
        # The silence after a menu ends with our next command; who left a message or was told
        # goodbye waits for none.
        alone = music if call.phase == "flow" else ()
        stop = effect.stop_on_digit and bool(files)
        io.ear = media.Play(io.id, effect.play, files, then, stop, alone)
        self._workers.send(io.worker, io.ear)
