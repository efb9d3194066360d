"""The documents are true where a program can tell: links lead somewhere, commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from main.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing, f"{page.name} links to what is not there: {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    text = page.read_text()
    for command in re.findall(r"(?:bin/|`)offhook ([a-z]+)", text):
        assert command in COMMANDS, f"{page.name} names offhook {command}"
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
        assert f"\n{target}:" in makefile, f"{page.name} names make {target}"
    for program in re.findall(r"python -m bench\.([a-z]+)", text):
        assert (ROOT / "bench" / f"{program}.py").exists(), f"{page.name} names bench.{program}"
