"""Lots of weighted-random queues: exact shares, and yet every agent has a sort key.

Among the ready agents of a queue and level the next one should be any of them with a chance in
proportion to the weight. So each draws a waiting time, exponential with the weight as its rate:
the smallest belongs to each agent with just that chance. Who is taken moves the clock of the
queue and level on to their lot; what is left of the others' waiting times is exponential again
(it has no memory), and whoever gets ready draws from the clock on. Agents who were passed over,
because the call needed something they cannot do, have lots behind the clock and draw anew from it.

Lots are hashes of the seed, the queue, the agent and how often the agent drew: pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from itertools import takewhile
from math import log

from queues.agents import Agent
from queues.order import Line
from queues.rules import FloorRules

Lot = tuple[float, str]


class Lottery:
    """The ready agents of the weighted-random queues by queue and level, with their lots.

    Made anew with the rules; lots stand in ``Agent.lots``.
    """

    def __init__(self, rules: FloorRules) -> None:
        self._seed = rules.random_seed
        self._queues = frozenset(
            name for name, queue in rules.queues.items() if queue.strategy == "weighted-random"
        )
        self._clocks: dict[tuple[str, int], float] = {}
        self._ready: dict[tuple[str, int], Line[Lot]] = {}

    def __bool__(self) -> bool:
        """Whether there are weighted-random queues at all."""
        return bool(self._queues)

    def enter(self, agent: Agent, keep: str = "") -> None:
        """The agent gets ready and draws, except in ``keep``: the queue whose offer was
        withdrawn, where the turn is not lost."""
        agent.lots = {queue: lot for queue, lot in agent.lots.items() if queue == keep}
        agent.draws += 1
        for queue, level in agent.rules.queues.items():
            if queue in self._queues:
                if queue not in agent.lots:
                    agent.lots[queue] = self._draw(agent, (queue, level))
                line = self._ready.setdefault((queue, level), Line())
                line.add((agent.lots[queue], agent.id))

    def leave(self, agent: Agent) -> None:
        """The agent is not ready any more."""
        for queue, level in agent.rules.queues.items():
            if queue in self._queues:
                self._ready[queue, level].remove((agent.lots[queue], agent.id))

    def passed_over(self, agent: Agent, queue: str) -> list[str]:
        """A ready agent is taken for a call of the queue: moves the clock, and gives the ids
        of the others whose lots are behind it. Each of them has to ``redraw``."""
        place = queue, agent.level(queue)
        line = self._ready.get(place)
        if line is None or queue not in agent.lots:
            return []
        clock = self._clocks[place] = max(agent.lots[queue], self._clocks.get(place, 0.0))
        behind = takewhile(lambda lot: lot[0] < clock, line)
        return [ident for _, ident in behind if ident != agent.id]

    def redraw(self, agent: Agent, queue: str) -> None:
        """A ready agent draws anew in one queue."""
        place = queue, agent.rules.queues[queue]
        line = self._ready[place]
        line.remove((agent.lots[queue], agent.id))
        agent.draws += 1
        agent.lots[queue] = self._draw(agent, place)
        line.add((agent.lots[queue], agent.id))

    def clocks(self) -> Mapping[tuple[str, int], float]:
        """For comparison."""
        return self._clocks

    def _draw(self, agent: Agent, place: tuple[str, int]) -> float:
        ticket = f"{self._seed}\0{place[0]}\0{agent.id}\0{agent.draws}".encode()
        number = int.from_bytes(blake2b(ticket, digest_size=8).digest(), "big")
        share = (number + 0.5) / 2.0**64  # above 0; rounds to 1 at most, where the lot is 0
        return self._clocks.get(place, 0.0) - log(share) / agent.rules.weight
