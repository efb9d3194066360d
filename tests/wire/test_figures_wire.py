"""``kill -9`` of the engine changes no figure: live view, report and metrics, before and after."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.wire.raw_sip import Peer
from tests.wire.system import CONFIG, TRUNK, System, eventually
from tests.wire.test_restart_wire import kill_the_engine

COUNTERS = ("offhook_calls", "offhook_offered", "offhook_visits_ended", "offhook_answer_seconds")


def told(system: System) -> dict[str, Any]:
    """The queue's figures three ways."""
    with system.client() as client:
        today = client.get("/queues/support").raise_for_status().json()["today"]
        report = client.get("/reports/queues?step=day&queue=support").raise_for_status().json()
        text = client.get("/metrics").raise_for_status().text
    counted = {
        f"{sample.name} {sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(text)
        if family.name in COUNTERS
        for sample in family.samples
    }
    return {"today": today, "report": report["items"], "counted": counted}


def abandoned(system: System) -> int:
    return int(told(system)["today"]["abandoned"])


def test_a_killed_engine_changes_no_figure(tmp_path: Path) -> None:
    to_queue = CONFIG.replace("{number: '*', flow: main}", "{number: '*', queue: support}")
    system = System(tmp_path, to_queue)
    system.start()
    try:
        for count in (1, 2, 3):
            with Peer(system.sip, TRUNK) as caller:
                answer = caller.call("200", f"+3712000040{count}")
                time.sleep(0.25)
                caller.bye(answer)
            eventually(lambda count=count: abandoned(system) == count, "the abandon is counted")
            before = told(system)
            assert before["today"]["offered"] == before["today"]["short_abandoned"] == count
            ended = "offhook_visits_ended_total ['abandoned', 'support']"
            assert before["counted"][ended] == count
            kill_the_engine(system)
            assert told(system) == before
        system.stop()
        assert (tmp_path / "journal" / "figures.json").exists()
        system.start()
        assert told(system) == before
    finally:
        system.stop()
    complaints = [line for line in system.complaints() if "died after" not in line]
    assert not complaints, complaints
