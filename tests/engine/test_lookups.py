"""The lookup client is there before a call needs it, and only where a flow does."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.lookups import Lookups
from ivr.loader import FlowSet, load_flows

PLAIN = "start: bye\nnodes:\n  bye: {type: hangup}\n"
ASKING = """\
start: who
nodes:
  who: {type: lookup, url: 'http://127.0.0.1:9/x', timeout_s: 1, next: bye, on_failure: bye}
  bye: {type: hangup}
"""


def flows(folder: Path, text: str) -> FlowSet:
    folder.mkdir()
    (folder / "main.yaml").write_text(text)
    return load_flows(folder, queues=frozenset())


@pytest.mark.parametrize(("text", "loaded"), [(PLAIN, False), (ASKING, True)])
async def test_it_is_loaded_with_the_flows(tmp_path: Path, text: str, loaded: bool) -> None:
    lookups = Lookups()
    lookups.prepare(flows(tmp_path / "flows", text))
    assert (lookups._client is not None) is loaded
    await lookups.close()
