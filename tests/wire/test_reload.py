"""``offhook reload`` under a call in the menu: it keeps its flow, the next call gets the new."""

from __future__ import annotations

import asyncio
from pathlib import Path

from main.demo.softphone import Softphone
from tests.wire import system as whole

FLOW = """\
start: menu
nodes:
  menu:
    type: menu
    prompt: {{phrase: main-menu}}
    choices:
      5: {first}
    timeout_s: 20
    on_timeout: bye
    on_invalid: bye
  leave:
    type: hangup
    completed: true
  message:
    type: voicemail
    prompt: {{phrase: again}}
    max_s: 10
    next: leave
  bye:
    type: {last}
"""
OLD = FLOW.format(first="leave", last="hangup\n    completed: false")
OLD = OLD[: OLD.index("  message:")] + OLD[OLD.index("  bye:") :]
NEW = FLOW.format(first="message", last="hangup\n    completed: false")


async def _in_menu(system: whole.System, number: str) -> Softphone:
    phone = Softphone(number, "", whole.TRUNK, system.sip)
    await phone.start()
    phone.call("100")
    await asyncio.wait_for(phone.up.wait(), 5)
    await asyncio.sleep(0.3)
    return phone


async def _story(system: whole.System) -> None:
    before = await _in_menu(system, "+37120000001")
    flow = system.folder / "flows" / "main.yaml"
    flow.write_text("start: nowhere\nnodes: {}\n")
    status, said = await asyncio.to_thread(system.ask, "reload")
    assert (status, "main.yaml:2: nodes" in said) == (1, True), said
    assert "not reloaded" in system.log_text()
    flow.write_text(NEW)
    status, said = await asyncio.to_thread(system.ask, "reload")
    assert (status, said) == (0, "the configuration is reloaded\n")
    after = await _in_menu(system, "+37120000002")
    await before.line.press("5")
    await asyncio.wait_for(before.over.wait(), 10)
    await after.line.press("5")
    await asyncio.sleep(4.0)  # the tone after which the message is recorded
    after.hang_up()
    before.vanish()
    after.vanish()


def test_calls_in_progress_keep_their_flow(tmp_path: Path) -> None:
    system = whole.System(tmp_path, flows={"main": OLD})
    system.start()
    try:
        asyncio.run(_story(system))
        calls = whole.eventually(
            lambda: [row for row in system.calls() if row["outcome"]][1:] and system.calls(),
            "both calls are in the records",
        )
    finally:
        system.stop()
    outcomes = {row["caller"]: row["outcome"] for row in calls}
    assert outcomes == {"+37120000001": "completed-in-ivr", "+37120000002": "voicemail"}
