"""The floor's invariants over random events: no order of things makes it unfair or stuck."""

from __future__ import annotations

from hypothesis import settings

from tests.queues.floor_machine import FloorMachine

FloorMachine.TestCase.settings = settings(stateful_step_count=40)
TestFloor = FloorMachine.TestCase
