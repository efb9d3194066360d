"""The shape of the whole: folders, their direction, and where things may live.

The layers and the purity of the cores are import-linter's contracts (pyproject.toml; ``make
lint``); here is what it cannot say.
"""

from __future__ import annotations

import tomllib

import pytest

from tests.tidy import PRODUCT, ROOT, imports, none, product

SQL = {"sqlalchemy", "asyncpg", "aiosqlite", "alembic"}
# Of a package that is pure otherwise.
STORES = {"queues/why/decisions.py", "queues/figures/figures_store.py", "queues/figures/tables.py"}
WEB = {"fastapi", "starlette", "uvicorn", "httptools"}


def _contracts() -> dict[str, dict[str, object]]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)["tool"]["importlinter"]
    return {contract["name"]: contract for contract in found["contracts"]}


def test_every_folder_of_the_design_is_there() -> None:
    missing = [name for name in PRODUCT if not (ROOT / name).is_dir()]
    assert not missing
    strangers = [
        path.name
        for path in ROOT.iterdir()
        if (path / "__init__.py").exists() and path.name not in (*PRODUCT, "tests")
    ]
    assert not strangers, "a new package needs its place in the layers"


def test_the_layers_name_every_package() -> None:
    layers = _contracts()["imports run one way"]["layers"]
    assert isinstance(layers, list)
    named = {name.strip() for layer in layers for name in layer.split("|")}
    assert named == set(PRODUCT) - {"bench", "migrations"}


def test_only_stores_and_tables_speak_sql() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in product()
        if path.relative_to(ROOT).parts[0] in ("router", "ivr", "queues", "bench", "engine")
        and str(path.relative_to(ROOT)) not in STORES
        for name in sorted(imports(path))
        if name.split(".")[0] in SQL and name != "sqlalchemy.ext.asyncio"
    ]
    none(found, "records belong to recordings, tickets, config.store and migrations")


def test_the_floor_itself_knows_no_store() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in product()
        if path.relative_to(ROOT).parts[0] == "queues" and str(path.relative_to(ROOT)) not in STORES
        for name in sorted(imports(path))
        if name in ("queues.why.decisions", "queues.figures.figures_store", "queues.figures.tables")
    ]
    none(found, "the store reads what the floor decided, never the other way round")


def test_only_the_api_and_the_engines_start_know_the_web() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in product()
        if path.relative_to(ROOT).parts[0] not in ("api", "main", "bench")
        for name in sorted(imports(path))
        if name.split(".")[0] in WEB
    ]
    none(found, "HTTP is the business of api")


def test_http_statuses_are_told_in_one_place() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "api").rglob("*.py")
        if path.name != "errors.py" and "HTTPException" in path.read_text(encoding="utf-8")
    ]
    none(found, "errors become statuses in api/errors.py")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_are_hashed_and_name_no_registry(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    pinned = [index for index, line in enumerate(lines) if "==" in line and line[0].isalnum()]
    assert pinned
    for index in pinned:
        assert lines[index + 1].lstrip().startswith("--hash=sha256:"), lines[index]
    assert not [line for line in lines if "://" in line]


def test_peers_under_the_gpl_are_for_tests_only() -> None:
    runtime = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    assert "pjsua2" not in runtime
    assert "pyvoip" not in runtime
    found = [
        str(path.relative_to(ROOT))
        for path in product()
        if {name.split(".")[0] for name in imports(path)} & {"pjsua2", "pyVoIP"}
    ]
    none(found, "the product does not import them")
