"""A day to rehearse: who calls, who works when, by which rules."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from zoneinfo import ZoneInfo

from config.errors import PeerError
from config.settings import Settings
from main.simulate_forecast import Forecast, Part
from main.simulate_history import day_of, known_queues, midnight, past_calls
from queues.rehearsal.rehearsal import Shift
from queues.rehearsal.rehearsal_calls import (
    INFINITE,
    Caller,
    Expectation,
    as_they_were,
    callers,
)
from queues.rules import AgentRules, FloorRules, from_settings

OPENS_S = 8 * 3600.0


class PatternError(PeerError):
    """The pattern and the configuration do not go together."""


@dataclass(frozen=True, slots=True)
class Day:
    """Without ``shifts`` all agents work all the time. Times are unix seconds."""

    rules: FloorRules
    callers: Iterable[Caller]
    shifts: Sequence[Shift] | None
    opens: float
    told: str  # what it is, in one line


def stream(seed: int, name: str) -> random.Random:
    """The stream of this name: strings seed by their SHA-512, the same in every process."""
    return random.Random(f"{seed}/{name}")


def made_up_agents(rules: FloorRules, count: int) -> FloorRules:
    """So many agents instead of the configured: each serves every queue, with every skill."""
    skills = {skill: 1 for queue in rules.queues.values() for skill in queue.skills}
    agent = AgentRules(dict.fromkeys(rules.queues, 1), skills)
    return replace(rules, agents={f"agent-{n:05}": agent for n in range(1, count + 1)})


def from_forecast(
    settings: Settings, rules: FloorRules, forecast: Forecast, day: date, seed: int
) -> Day:
    """The day of a CSV file. Raises ConfigError where it does not fit the rules."""
    start = midnight(day, ZoneInfo(settings.timezone))
    expectations = []
    for part in forecast.parts:
        wrap_up_s = rules.queues[part.queue].wrap_up_s
        if part.aht_s <= wrap_up_s:
            raise forecast.wrong(
                part,
                "aht_s",
                f"{part.aht_s:g} includes the wrap-up of {wrap_up_s:g} s that queue "
                f"{part.queue!r} has; write more than that",
            )
        expectations.append(
            Expectation(
                part.queue,
                start + part.start_s,
                part.length_s,
                part.calls,
                part.aht_s - wrap_up_s,
                part.patience_s or INFINITE,
            )
        )
    shifts = None
    if any(part.agents is not None for part in forecast.parts):
        shifts = _shifts(rules, forecast, start)
    return Day(
        rules,
        callers(expectations, partial(stream, seed)),
        shifts,
        start + forecast.parts[0].start_s,
        f"forecast {forecast.file}, {sum(part.calls for part in forecast.parts):,.0f} calls "
        "expected",
    )


def from_history(rules: FloorRules, records: Settings, pattern: str, seed: int) -> Day:
    """The calls of a past day, as ``records`` (a configuration) have them."""
    day = day_of(pattern, ZoneInfo(records.timezone))
    past = past_calls(records, day)
    known_queues(past, list(rules.queues))
    again = as_they_were(past, partial(stream, seed))
    return Day(rules, again, None, again[0].at, f"{len(past):,} calls of {day}")


def steady(
    settings: Settings,
    rules: FloorRules,
    *,
    calls_per_hour: float,
    aht_s: float,
    patience_s: float,
    hours: float,
    day: date,
    seed: int,
) -> Day:
    """So many calls an hour, spread evenly over the queues. Raises PatternError."""
    start = midnight(day, ZoneInfo(settings.timezone)) + OPENS_S
    expectations = []
    for name in sorted(rules.queues):
        wrap_up_s = rules.queues[name].wrap_up_s
        if aht_s <= wrap_up_s:
            raise PatternError(
                f"--aht {aht_s:g}: it includes the wrap-up of {wrap_up_s:g} s that queue "
                f"{name!r} has; say more than that"
            )
        calls = calls_per_hour * hours / len(rules.queues)
        expectations.append(
            Expectation(name, start, hours * 3600.0, calls, aht_s - wrap_up_s, patience_s)
        )
    return Day(
        rules,
        callers(expectations, partial(stream, seed)),
        None,
        start,
        f"{calls_per_hour:g} calls an hour of {aht_s:g} s for {hours:g} hours",
    )


def rules_of(settings: Settings, agents: int | None) -> FloorRules:
    """The floor's rules, with made-up agents where a number is given. Raises PatternError for a
    configuration that nobody can call."""
    rules = from_settings(settings)
    if not rules.queues:
        raise PatternError("the configuration has no queues: nobody can call")
    return rules if agents is None else made_up_agents(rules, agents)


def _shifts(rules: FloorRules, forecast: Forecast, midnight_s: float) -> list[Shift]:
    """Who works when, so that each queue has the agents its column asks for: the best by level
    first, and an agent who serves several queues counts for each of them."""
    edges = sorted(
        {part.start_s for part in forecast.parts}
        | {part.start_s + part.length_s for part in forecast.parts}
    )
    since: dict[str, float] = {}
    shifts = []
    for begin in edges:
        now_on = _on_duty(rules, forecast, begin)
        shifts += [
            Shift(agent, midnight_s + since.pop(agent), midnight_s + begin)
            for agent in sorted(since.keys() - now_on)
        ]
        for agent in sorted(now_on - since.keys()):
            since[agent] = begin
    return sorted(shifts, key=lambda shift: (shift.start, shift.agent))


def _on_duty(rules: FloorRules, forecast: Forecast, at_s: float) -> set[str]:
    chosen: set[str] = set()
    for part in forecast.parts:
        if part.start_s <= at_s < part.start_s + part.length_s and part.agents:
            chosen |= _team(rules, forecast, part, chosen)
    return chosen


def _team(rules: FloorRules, forecast: Forecast, part: Part, chosen: set[str]) -> set[str]:
    able = sorted(
        (agent.queues[part.queue], ident)
        for ident, agent in rules.agents.items()
        if part.queue in agent.queues
    )
    wanted = part.agents or 0
    if len(able) < wanted:
        raise forecast.wrong(
            part,
            "agents",
            f"{wanted}, but {len(able)} agents serve queue {part.queue!r}; write at most that "
            f"many, add agents to the configuration, or try with --agents {wanted}",
        )
    there = {ident for _, ident in able if ident in chosen}
    rest = [ident for _, ident in able if ident not in chosen]
    return there | set(rest[: max(0, wanted - len(there))])
