"""Recorded scenarios: what happens when, so that a death can come at each of their moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.simulation.node import void
from tests.simulation.oracles import problems
from tests.simulation.wired import Deaths, Manners, Wired

EAGER = Manners(
    answers=1.0, refuses=0.0, answers_after_s=(2.0, 2.0), talk_s=8.0, holds=0.0, transfers=0.0
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """``begin`` arranges what happens in the ``seconds`` that follow."""

    begin: Callable[[Wired], None]
    seconds: float
    manners: Manners = EAGER


def _call(world: Wired, at: float, dialled: str, **more: Any) -> None:
    world.agenda.after(at, lambda: void(world.call(dialled, **more)))


def _queue_and_answer(world: Wired) -> None:
    """Two callers, one agent: one is answered, one waits."""
    world.agenda.after(0.1, lambda: world.sign_in("anna"))
    _call(world, 0.3, "200")
    _call(world, 0.8, "200")


def _menu_and_callback(world: Wired) -> None:
    _call(world, 0.1, "100", keys="2")
    world.agenda.after(9.0, lambda: world.sign_in("boris"))


def _one_talk(world: Wired) -> None:
    world.agenda.after(0.1, lambda: world.sign_in("anna"))
    _call(world, 0.3, "200")


def _overflow_to_voicemail(world: Wired) -> None:
    _call(world, 0.1, "300", hangs_up_after_s=20.0)


def _nobody_answers(world: Wired) -> None:
    """Two phones refuse, the caller gives up while the third rings."""
    world.agenda.after(0.1, world.sign_in)
    _call(world, 0.3, "200", hangs_up_after_s=9.0)


SCENARIOS: dict[str, Scenario] = {
    "queue-and-answer": Scenario(_queue_and_answer, 30.0),
    "menu-and-callback": Scenario(_menu_and_callback, 30.0),
    "hold": Scenario(_one_talk, 20.0, replace(EAGER, holds=1.0)),
    "transfer": Scenario(_one_talk, 30.0, replace(EAGER, transfers=1.0)),
    "overflow-to-voicemail": Scenario(_overflow_to_voicemail, 30.0),
    "nobody-answers": Scenario(_nobody_answers, 20.0, replace(EAGER, answers=0.0, refuses=1.0)),
}


def moments(name: str, seed: int = 1) -> list[str]:
    """Every moment of the scenario at which an engine may die: before and after each append, at
    both ends of each write and in its middle, before and after each effect, datagram, command."""
    deaths = Deaths(0, keeps=True)
    _play(name, seed, deaths)
    return deaths.points


def _play(name: str, seed: int, deaths: Deaths, *, worker_too: bool = False) -> Wired:
    scenario = SCENARIOS[name]
    world = Wired(seed, manners=scenario.manners, fuse=deaths)
    scenario.begin(world)
    world.run(scenario.seconds, until=lambda: worker_too and world.kills > 0)
    if worker_too and world.kills:
        world.worker.dies()
        world.run(scenario.seconds)
    return world


def killed_at(name: str, moment: int, seed: int = 1, *, worker_too: bool = False) -> list[str]:
    """What is wrong after a death at this moment (counted from 1), with that of the worker or
    without."""
    deaths = Deaths(moment)
    world = _play(name, seed, deaths, worker_too=worker_too)
    world.drain(120.0)
    return problems(world)
