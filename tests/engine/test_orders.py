"""What the supervisor asks of a running engine, over a real line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from engine.line import pair
from engine.orders import Orders
from router.pulse import own_pulse


@dataclass
class FakeTimers:
    """Deadlines by name; ``fire`` runs one."""

    due: dict[str, Callable[[], None]] = field(default_factory=dict)

    def set(self, name: str, at: float, callback: Callable[[], None]) -> None:
        self.due[name] = callback

    def clear(self, name: str) -> None:
        self.due.pop(name, None)

    def fire(self, name: str) -> None:
        self.due.pop(name)()


class Node:
    """An engine with these calls on the line and these callbacks kept."""

    def __init__(self) -> None:
        self.supervisor, self.line = pair()
        self.line.socket.setblocking(False)
        self.timers = FakeTimers()
        self.calls: dict[str, object] = {"c1": object(), "c2": object()}
        self.waiting = [SimpleNamespace(on_line=True), SimpleNamespace(on_line=False)]
        self.arrivals = SimpleNamespace(drains_to=None)
        self.reloads = 0

    def orders(self, drain: str | None = None) -> Orders:
        engine: Any = SimpleNamespace(
            timers=self.timers,
            clock=SimpleNamespace(now=lambda: 0.0),
            turns=SimpleNamespace(calls=self.calls),
            floor=SimpleNamespace(floor=SimpleNamespace(waiting=lambda: self.waiting)),
            arrivals=self.arrivals,
        )
        return Orders(self.line, own_pulse({}), engine, drain, self.reload)

    def reload(self) -> None:
        self.reloads += 1

    async def asked(self, message: dict[str, Any]) -> None:
        self.supervisor.say(message)
        for _ in range(3):
            await asyncio.sleep(0)

    def told(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            try:
                heard = self.supervisor.hear()
            except BlockingIOError:
                return found
            assert heard is not None
            found.append(heard.message)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    it = Node()
    yield it
    for line in (it.supervisor, it.line):
        line.close()


async def test_a_drain_tells_how_many_are_left_until_none_is(node: Node) -> None:
    orders = node.orders()
    await node.asked({"drain": "sip:192.0.2.7"})
    assert node.arrivals.drains_to == "sip:192.0.2.7"
    assert node.told() == [{"left": [2, 1]}]
    node.timers.fire("drain")
    assert node.told() == [], "nothing changed"
    node.calls.clear()
    node.timers.fire("drain")
    assert node.told() == [{"left": [0, 1]}, {"drained": 1}]
    assert node.timers.due == {}
    await orders.close()


async def test_an_engine_that_takes_over_goes_on_draining(node: Node) -> None:
    orders = node.orders(drain="")
    assert node.arrivals.drains_to == ""
    assert node.told() == [{"left": [2, 1]}]
    await orders.close()


async def test_a_reload_is_passed_on_and_a_supervisor_that_goes_is_no_error(node: Node) -> None:
    orders = node.orders()
    await node.asked({"reload": True})
    assert node.reloads == 1
    node.supervisor.close()
    for _ in range(3):
        await asyncio.sleep(0)
    await orders.close()
    node.supervisor, _ = pair()
    _.close()


async def test_what_waits_for_the_supervisor_is_sent_when_it_listens(node: Node) -> None:
    count = 0
    while node.line.unsent < 5:
        node.line.say({"n": count})
        count += 1
    orders = node.orders()
    found: list[int] = []
    while len(found) < count:
        found += [message["n"] for message in node.told()]
        await asyncio.sleep(0)
    assert found == list(range(count))
    await orders.close()
