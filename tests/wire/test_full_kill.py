"""``kill -9`` at random moments of a full house: 100 wait, 20 talk, nobody notices.

All phones are other people's (``full_house``). The engine is killed twenty times, media workers
in between. The moments are drawn from a seed, which is printed; ``KILL_SEED=n`` takes that one.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from recordings import measure
from tests.wire.full_house import AGENT_HZ, CALLER_HZ, CONFIG, GROUPS, House, complaints
from tests.wire.phones import sound
from tests.wire.sipp import Sipp
from tests.wire.system import System, eventually

ENGINE_KILLS, WORKER_KILLS = 20, 4
EVERY_S = (1.0, 3.0)  # from one recovery to the next kill, where the house is full by then
ENGINE_GAP_S_MAX = 0.5  # of the music; bench.crash is what measures it
WORKER_GAP_S_MAX = 2.0
HOLE_S_MAX = 0.06  # of a recording: 40 ms, and a frame that the phone itself was late by
RECORDED_S_MIN = 0.5  # a talk that is over before its recorder has begun leaves none
EDGE_S = 0.15  # of a recording: one side's first packet comes before the other's
LATE_S = 0.5
EAR_GAP_S_MAX = 0.1  # what a phone bridges, and a bit
EAR_EDGE_S = 0.4


class Kill(NamedTuple):
    """Unix time of it and of the recovery; ``gaps_s``: the longest at each who hears music."""

    what: str
    at: float
    recovered: float
    gaps_s: list[float]


class Killer:
    """Kills, and looks whether all is as it was."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.system = house.system
        self.kills: list[Kill] = []
        self._rng = random.Random(seed)

    def run(self, engine: int, workers: int) -> None:
        """So many of each, in random order."""
        strikes = [self._engine] * engine + [self._worker] * workers
        self._rng.shuffle(strikes)
        for strike in strikes:
            time.sleep(self._rng.uniform(*EVERY_S))
            eventually(self.house.is_full, "the house is full", 20)
            self.house.sink.watch()
            before = self.house.waiting()
            time.sleep(self._rng.uniform(0.0, 0.1))
            self.kills.append(strike())
            self._same_order(before, self.house.waiting())
            print(self.kills[-1].what, f"{self.told(self.kills[-1:])}, up {self.house.talking()}")

    def _engine(self) -> Kill:
        pid = self.system.pids()["engine"]
        at = time.time()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.system.pids()["engine"] not in (None, pid), "another engine", 20)
        eventually(self._ready, "the next engine is ready", 20)
        recovered = time.time()
        gaps = self.house.sink.gaps(at)
        assert max(gaps) < ENGINE_GAP_S_MAX, f"music stopped for {max(gaps):.2f} s"
        return Kill("engine", at, recovered, gaps)

    def _worker(self) -> Kill:
        """Another one comes; whoever heard music hears it again."""
        name = self._rng.choice(("media-0", "media-1"))
        at = time.time()
        self.system.signal(name, signal.SIGKILL)
        time.sleep(WORKER_GAP_S_MAX + 0.3)
        gaps = self.house.sink.gaps(at)
        assert len(gaps) > 80, f"only {len(gaps)} still hear music"
        assert max(gaps) < WORKER_GAP_S_MAX, f"music stopped for {max(gaps):.2f} s"
        return Kill(name, at, at + max(gaps), gaps)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.system.url}/health/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    @staticmethod
    def _same_order(before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
        """Nobody has moved; who has come since stands behind."""
        for queue, calls in before.items():
            there, was = set(after[queue]), set(calls)
            stayed = [call for call in calls if call in there]
            assert stayed == [call for call in after[queue] if call in was], queue
            if queue == "later":
                assert after[queue][: len(stayed)] == stayed, "somebody has jumped the queue"

    @staticmethod
    def told(kills: list[Kill]) -> str:
        gaps = sorted(gap for kill in kills for gap in kill.gaps_s)
        took = sorted(kill.recovered - kill.at for kill in kills)
        return (
            f"{len(kills)} kills, recovery median {took[len(took) // 2]:.2f} s, at most"
            f" {took[-1]:.2f} s; music's gap p99 {gaps[len(gaps) * 99 // 100] * 1000:.0f} ms,"
            f" at most {gaps[-1] * 1000:.0f} ms"
        )


# --- what is left ---------------------------------------------------------------------------


def calls_made(ended: dict[str, Sipp]) -> dict[str, int]:
    """How many calls each SIPp made, all as its scenario wants: nothing failed, nothing came that
    was not expected."""
    made = {}
    for name, phones in ended.items():
        outcome = phones.finish()
        assert not complaints(outcome), (name, complaints(outcome)[:5])
        made[name] = outcome.check(outcome.ok).ok
        assert made[name], name
    return made


def check_tickets(system: System, made: dict[str, int]) -> list[dict[str, Any]]:
    """Each call left one ticket with an outcome that fits; the records of those who talked."""
    talked = []
    for group in GROUPS:
        count = made[group.scenario]
        tickets = system.wait_for_tickets(f"{group.prefix}%", count, 30)
        expected = {f"{group.prefix}{number}" for number in range(1, count + 1)}
        assert {ticket["caller"] for ticket in tickets} == expected
        wrong = [(t["caller"], t["outcome"]) for t in tickets if t["outcome"] not in group.outcomes]
        assert not wrong, wrong

        def finished(prefix: str = group.prefix) -> list[dict[str, Any]] | None:
            records = system.calls(f"{prefix}%")
            done = all(r["recording_sha256"] or r["no_recording"] for r in records)
            return records if done else None

        records = eventually(finished, f"recordings of {group.prefix}", 40)
        talked += [record for record in records if record["talked_s"] > RECORDED_S_MIN]
    return talked


def check_recording(folder: Path, record: dict[str, Any], kills: list[Kill]) -> None:
    """There, as long as the talk was, each side the tone that it spoke and nowhere interrupted
    but where its media worker died."""
    assert record["recording_sha256"], record
    wav = measure.read_wav(folder / "recordings" / f"{record['recording']}.wav")
    begun = record["ended_at"] - record["talked_s"]
    killed = _blamed(kills, begun, record["ended_at"])
    late = LATE_S if killed is None or killed.what == "engine" else WORKER_GAP_S_MAX
    assert abs(wav.duration_s - record["talked_s"]) < late, record
    for samples, hz in zip(wav.channels, (CALLER_HZ, AGENT_HZ), strict=True):
        inner = sound.trimmed(samples, EDGE_S)
        gaps = measure.gaps(inner, wav.rate, shortest_s=HOLE_S_MAX)
        for start, end in gaps:
            why = _blamed(kills, begun + EDGE_S + start, begun + EDGE_S + end)
            assert why is not None, (hz, start, end, record)
            last = end >= len(inner) / wav.rate  # who hung up said so when no engine was there
            worker = why.what != "engine" and end - start < WORKER_GAP_S_MAX
            assert last or worker, (hz, start, end, why.what, why.at, record)
        if not gaps and len(inner) > RECORDED_S_MIN * wav.rate:
            level = measure.tone_level(inner, wav.rate, hz)
            assert abs(level - sound.LEVEL_DBFS) < sound.NEAR_DB, (hz, level, record)


def _blamed(kills: list[Kill], start: float, end: float) -> Kill | None:
    found = [k for k in kills if start < k.recovered + LATE_S and end > k.at - LATE_S]
    return next((k for k in found if k.what != "engine"), found[0] if found else None)


def check_ears(folder: Path, workers: int) -> float:
    """What an agent's phone wrote of what it heard: seconds of the longest silence in a talk.
    A worker's death is heard by who talks at that moment, an engine's by nobody. (PJSIP writes
    silence where nothing comes, baresip nothing.)"""
    found = []
    for path in folder.rglob("*.wav"):
        if "-enc" not in path.name:
            samples = sound.trimmed(sound.read_wav(path), EAR_EDGE_S)
            gaps = measure.gaps(samples, sound.RATE, shortest_s=EAR_GAP_S_MAX)
            found += [gap.end - gap.start for gap in gaps]
    assert len(found) <= workers, found
    longest = max(found, default=0.0)
    assert longest < WORKER_GAP_S_MAX
    return longest


def _judge(house: House, killer: Killer) -> None:
    ended = house.empty()
    assert house.presences() == {"available"}, "an agent was taken for one who does not answer"
    made = calls_made(ended)
    records = check_tickets(house.system, made)
    for record in records:
        check_recording(house.system.folder, record, killer.kills)
    workers = sum(kill.what != "engine" for kill in killer.kills)
    longest = 0.0
    for desk in house.desks:
        assert desk.answered, f"the phone of {desk.phone.user} was never used"
        longest = max(longest, check_ears(desk.phone.folder, workers))
    print(
        f"{sum(made.values())} calls, {len(records)} talks; {killer.told(killer.kills)}; an"
        f" agent's phone heard nothing for {longest * 1000:.0f} ms at most"
    )


async def test_a_full_house_of_other_peoples_phones(tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"KILL_SEED={seed}")
    system = System(tmp_path / "system", CONFIG)
    await asyncio.to_thread(system.start)
    house = House(system, tmp_path, seed)
    try:
        await house.open()
        killer = Killer(house, seed)
        await asyncio.to_thread(killer.run, ENGINE_KILLS, WORKER_KILLS)
        await asyncio.to_thread(_judge, house, killer)
    finally:
        await house.close()
        await asyncio.to_thread(system.stop)
    complaints = [line for line in system.complaints() if "died after" not in line]
    assert not complaints, complaints
