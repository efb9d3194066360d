"""The sources as the house rules see them: which files there are, and their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = (
    "api", "bench", "config", "engine", "ivr", "main", "migrations",
    "queues", "recordings", "router", "tickets",
)  # fmt: skip
TEXTS = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".html", ".js", ".css", ".json", ".txt"}


def product() -> list[Path]:
    """Every Python file of the product, without tests."""
    return sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))


def suite() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


def texts() -> list[Path]:
    """Every text that people read or hear: sources, prompts, pages, documents."""
    folders = [*(ROOT / name for name in (*PRODUCT, "tests", "docs", "scripts")), ROOT]
    found = [
        path
        for folder in folders
        for path in (folder.glob("*") if folder == ROOT else folder.rglob("*"))
        if path.is_file() and (path.suffix in TEXTS or path.name in ("Makefile", "Dockerfile"))
    ]
    return sorted(path for path in found if "data" not in path.relative_to(ROOT).parts)


def matching(patterns: tuple[str, ...]) -> list[Path]:
    """The product's files under these patterns; a pattern without a file is out of date."""
    found: set[Path] = set()
    for pattern in patterns:
        files = set(ROOT.glob(pattern))
        assert files, f"no file is called {pattern} any more"
        found |= files
    return sorted(found)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a name or attribute, "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join(reversed([*parts, node.id]))
    return ""


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call and the dotted name of what it calls ("" where that has none)."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func)


def where(path: Path, node: ast.AST | int) -> str:
    line = node if isinstance(node, int) else getattr(node, "lineno", 0)
    return f"{path.relative_to(ROOT)}:{line}"


def none(found: list[str], rule: str) -> None:
    """Fail with all the places at once."""
    assert not found, rule + ":\n  " + "\n  ".join(found)


def lines_with(paths: list[Path], breaks: Callable[[str], bool]) -> list[str]:
    """Places of the lines that break a rule."""
    return [
        f"{where(path, number)}: {line.strip()[:100]}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if breaks(line)
    ]
