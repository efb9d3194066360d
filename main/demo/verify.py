"""The demo's judgement, from the outside: API, files and metrics, never the system's inside."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from main.demo.calls import AGENT_HZ, CALLER_HZ, Story
from main.demo.system import System
from recordings import measure

PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Check:
    ok: bool
    text: str


@dataclass(slots=True)
class Verdict:
    calls: int = 0
    tickets: int = 0
    recordings_verified: int = 0
    checks: list[Check] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    def expect(self, ok: bool, text: str) -> bool:
        self.checks.append(Check(ok, text))
        return ok

    def summary(self) -> dict[str, object]:
        return {
            "calls": self.calls,
            "tickets": self.tickets,
            "recordings_verified": self.recordings_verified,
            "ok": self.ok,
        }


async def verify(system: System, stories: Sequence[Story]) -> Verdict:
    verdict = Verdict(calls=len(stories))
    async with system.client() as client:
        tickets = await _settled(client, len(stories))
        verdict.tickets = len(tickets)
        verdict.expect(
            len(tickets) == len(stories), f"{len(tickets)} tickets of {len(stories)} calls"
        )
        for story in stories:
            await _check_story(client, verdict, story, tickets)
        metrics = (await client.get("/metrics")).text
        (system.folder / "metrics.txt").write_text(metrics)
        (system.folder / "tickets.json").write_text(json.dumps(tickets, indent=1))
        for story in stories:
            line = f'offhook_calls_total{{outcome="{story.outcome}"}} 1.0'
            verdict.expect(line in metrics, f"metrics count one call {story.outcome}")
    return verdict


async def _settled(client: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    """The tickets, once all are there and the recordings are finished."""
    until = time.monotonic() + PATIENCE_S
    while True:
        answer = await client.get("/tickets")
        answer.raise_for_status()
        tickets: list[dict[str, Any]] = answer.json()["items"]
        open_files = [
            ticket
            for ticket in tickets
            if ticket["outcome"] in ("answered", "dropped") and not ticket["recording"]
        ]
        if (len(tickets) >= count and not open_files) or time.monotonic() > until:
            return tickets
        await asyncio.sleep(0.2)


async def _check_story(
    client: httpx.AsyncClient, verdict: Verdict, story: Story, tickets: list[dict[str, Any]]
) -> None:
    own = [ticket for ticket in tickets if ticket["caller"] == story.number]
    if not verdict.expect(
        len(own) == 1, f"{story.title}: {len(own)} ticket(s), exactly one wanted"
    ):
        return
    ticket = own[0]
    verdict.expect(
        (ticket["outcome"], ticket["status"]) == (story.outcome, story.status),
        f"{story.title}: outcome {ticket['outcome']}, ticket {ticket['status']}",
    )
    if story.outcome in ("answered", "dropped"):
        recording = ticket["recording"]
        if verdict.expect(bool(recording), f"{story.title}: a recording is attached"):
            await _check_recording(client, verdict, story, recording)
    else:
        verdict.expect(
            not ticket["recording"] and bool(ticket["no_recording"]),
            f"{story.title}: no recording, because {ticket['no_recording']}",
        )


async def _check_recording(
    client: httpx.AsyncClient, verdict: Verdict, story: Story, recording: dict[str, Any]
) -> None:
    answer = await client.get(f"/recordings/{recording['id']}/audio")
    digest = hashlib.sha256(answer.content).hexdigest()
    same = digest == recording["sha256"]
    verdict.expect(same, f"{story.title}: the file's SHA-256 is the ticket's")
    wav = await asyncio.to_thread(_read, answer.content)
    left = measure.dominant_tone(wav.channels[0], wav.rate, (CALLER_HZ, AGENT_HZ))
    right = measure.dominant_tone(wav.channels[1], wav.rate, (CALLER_HZ, AGENT_HZ))
    fits = (left, right) == (CALLER_HZ, AGENT_HZ)
    verdict.expect(
        fits,
        f"{story.title}: recording {len(wav.channels[0]) / wav.rate:.1f} s, caller's tone "
        f"{left} Hz left, agent's {right} Hz right",
    )
    verdict.recordings_verified += int(same and fits)


def _read(content: bytes) -> measure.Wav:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(content)
        file.flush()
        return measure.read_wav(Path(file.name))
