"""The engine's connection to a worker: one that does not answer is cut off."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from router.media import client as under_test
from router.media.protocol import Answer, ListSessions, Refused, Welcome


class Wire:
    """A transport to a worker that reads and says nothing."""

    def __init__(self, client: under_test.WorkerClient) -> None:
        self._client = client

    def write(self, data: bytes) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        asyncio.get_running_loop().call_soon(self._client.connection_lost, None)


async def test_a_worker_that_does_not_answer_counts_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(under_test, "ANSWER_S_MAX", 0.0)
    lost: list[str] = []
    over = asyncio.Event()

    def on_lost(name: str) -> None:
        lost.append(name)
        over.set()

    def ignore(*what: object) -> None:
        pass

    client = under_test.WorkerClient(1, ignore, ignore, on_lost)
    client.connection_made(cast(Any, Wire(client)))
    client.welcome = Welcome("w0", 1, 0, 0)
    answers: list[Answer] = []

    def take(answer: Answer) -> None:
        assert not client.connected, "who asks at once whether there will be another must know"
        answers.append(answer)

    client.request(ListSessions(), take)
    client.request(ListSessions(), take)
    await asyncio.wait_for(over.wait(), 1)
    assert len(lost) == 1
    assert [type(answer) for answer in answers] == [Refused, Refused]
    assert not client.connected


async def test_a_worker_that_never_said_welcome_is_not_lost() -> None:
    lost: list[str] = []

    def ignore(*what: object) -> None:
        pass

    client = under_test.WorkerClient(1, ignore, ignore, lost.append)
    client.connection_made(cast(Any, Wire(client)))
    asked = asyncio.ensure_future(client.ask(ListSessions()))
    await asyncio.sleep(0)
    client.connection_lost(None)
    with pytest.raises(under_test.WorkerLost):  # whoever connects learns it, and tries again
        await asked
    assert not lost
