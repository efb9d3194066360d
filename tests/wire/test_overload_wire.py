"""Above capacity: new calls are refused early and cheaply, those that are there do not notice;
5,000 phones that register at once are absorbed."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import psutil

from tests.wire import sipp
from tests.wire.heard import Talk
from tests.wire.phones_at_once import Storm, register_at_once
from tests.wire.raw_sip import Peer
from tests.wire.system import TRUNK, System
from tests.wire.talks import AGENT_HZ, Room, configuration
from tests.wire.test_store_failures import SILENT, metrics, soon

CALLS_MAX = 20
FLOOD = 3_000
FLOOD_RATE = 500
ACCEPTED = 100
CHEAPER = 10  # times: a refusal against a call that is taken and ended
PHONES = 5_000
STORM_S_MAX = 30.0

LIMITED = configuration().replace("sip:\n", f"sip:\n  limits: {{calls_max: {CALLS_MAX}}}\n", 1)


def engine_cpu_s(system: System) -> float:
    times = psutil.Process(system.pids()["engine"]).cpu_times()
    return float(times.user + times.system)


def flood(system: System, count: int, rate: int) -> tuple[int, int]:
    """New INVITEs at this rate, whatever is answered; (503 with Retry-After, other finals)."""
    with Peer(system.sip, TRUNK) as peer:
        inbox = peer._socket
        inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        begun = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            peer.send(peer.invite("712", "+371559999", f"flood-{number}"))
        refused, others = set(), set()
        while (answer := peer.receive(1.0)) is not None:
            if answer.status == 503 and answer["Retry-After"]:
                refused.add(answer["Call-ID"])
            elif answer.status >= 200:
                others.add(answer["Call-ID"])
    return len(refused), len(others)


async def test_above_capacity_calls_in_progress_do_not_suffer(tmp_path: Path) -> None:
    system = System(tmp_path / "system", LIMITED.replace(*SILENT))
    try:
        await asyncio.to_thread(system.start)
        async with Room(system, tmp_path, 10) as room:
            before = await asyncio.to_thread(engine_cpu_s, system)
            for turn in range(ACCEPTED // 10):
                load = sipp.start(
                    system, "uac_stays", calls=10, rate=20, number="712",
                    keys={"prefix": f"+371558{turn}"}, more=("-d", "300"),
                )  # fmt: skip
                (await asyncio.to_thread(load.finish)).check(10)
            accepted_s = (await asyncio.to_thread(engine_cpu_s, system) - before) / ACCEPTED
            agent = await room.softphone("101", AGENT_HZ)
            await room.sign_in("101")
            talk = await Talk.begin(room, agent, "+371556000")
            waiting = sipp.start(
                system, "uac_stays", calls=CALLS_MAX - 1, rate=20, number="710",
                keys={"prefix": "+371555"}, more=("-d", "15000"), timeout_s=60,
            )  # fmt: skip
            full = 'offhook_live_calls{phase="waiting"}'
            await soon(lambda: metrics(system)[full] >= CALLS_MAX - 1, "twenty calls", 8)
            before = await asyncio.to_thread(engine_cpu_s, system)
            flooding = asyncio.create_task(asyncio.to_thread(flood, system, FLOOD, FLOOD_RATE))
            while not flooding.done():
                await talk.flows()  # without a gap
            refused_s = (await asyncio.to_thread(engine_cpu_s, system) - before) / FLOOD
            assert await flooding == (FLOOD, 0)
            seen = metrics(system)
            assert seen['offhook_calls_turned_away_total{why="calls"}'] >= FLOOD
            print(f"CPU: taken {accepted_s * 1e3:.2f} ms, refused {refused_s * 1e3:.3f} ms")
            assert refused_s * CHEAPER < accepted_s
            (await asyncio.to_thread(waiting.finish)).check(CALLS_MAX - 1)
            await talk.end()
        assert not system.tickets("+371559999")
        assert not system.complaints()
    finally:
        await asyncio.to_thread(system.stop)


def _with_phones(count: int) -> str:
    agents = "".join(
        f'  - {{id: s{n}, name: S{n}, extension: "{n}", queues: {{support: 1}}}}\n'
        for n in range(20_000, 20_000 + count)
    )
    return configuration().replace("agents:\n", "agents:\n" + agents, 1)


async def test_five_thousand_phones_register_at_once_after_a_restart(tmp_path: Path) -> None:
    system = System(tmp_path / "system", _with_phones(PHONES))
    try:
        await asyncio.to_thread(system.start)
        async with Room(system, tmp_path, 10) as room:
            agent = await room.softphone("101", AGENT_HZ)
            await room.sign_in("101")
            passwords = system.secrets["phones"]
            known = {str(n): passwords[str(n)] for n in range(20_000, 20_000 + PHONES)}
            storm = asyncio.create_task(register_at_once(system.sip, "127.0.0.8", known))
            await asyncio.sleep(0.5)
            talk = await Talk.begin(room, agent, "+371556000")  # calls work meanwhile
            await talk.flows()
            done: Storm = await storm
            await talk.flows()
            await talk.end()
            print(f"{len(done.registered)} in {done.took_s:.1f} s, {done.sent} sent")
            assert (len(done.registered), done.refused) == (PHONES, {})
            assert done.took_s < STORM_S_MAX
            assert metrics(system)["offhook_registrations"] == PHONES + 1
        assert not system.complaints()
    finally:
        await asyncio.to_thread(system.stop)
