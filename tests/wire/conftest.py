"""Fixtures on the wire: one whole Offhook for each test module.

A module says what it needs by ``CONFIG`` (the text of a configuration; default: system.CONFIG)
and ``FLOWS`` (name: text; default: the shipped flows).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire import system as whole


@pytest.fixture(scope="module")
def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[whole.System]:
    """The running system of this module; its log is without errors at the end."""
    config = getattr(request.module, "CONFIG", whole.CONFIG)
    flows = getattr(request.module, "FLOWS", None)
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    with whole.running(folder, config, flows) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/wire/" in item.nodeid:
            item.add_marker(pytest.mark.wire)
