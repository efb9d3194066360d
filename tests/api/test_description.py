"""openapi.json and the page made of it. Real answers are held against it in every test here."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from tests.api.contract import Contract
from tests.api.fakes import Node

OPEN = {"is_alive", "is_ready"}
OPERATIONS = {
    "add_comment", "cancel_callback", "change_place", "change_presence", "close_ticket",
    "end_wrap_up", "extend_wrap_up", "get_agent", "get_call", "get_me", "get_message",
    "get_metrics",
    "get_place", "get_queue", "get_recording", "get_recording_audio", "get_ticket", "get_why",
    "give_disposition", "hang_up", "is_alive", "is_ready", "list_agents", "list_breaks",
    "list_callbacks", "list_calls", "list_messages", "list_queues", "list_tickets",
    "list_webhooks", "move_call", "report_agents", "report_queues", "resend_given_up",
    "resend_message", "resume_webhook", "transfer",
}  # fmt: skip


def operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for methods in schema["paths"].values() for one in methods.values()]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()


async def test_operation_ids_are_stable_and_unique(node: Node) -> None:
    names = [one["operationId"] for one in operations(node.app.openapi())]
    assert len(names) == len(set(names))
    assert set(names) == OPERATIONS


async def test_every_route_is_described(node: Node) -> None:
    for one in operations(node.app.openapi()):
        name = one["operationId"]
        assert one["description"], name
        good = [code for code in one["responses"] if code.startswith("2")]
        assert good, name
        for code in good:
            for content in one["responses"][code]["content"].values():
                assert content["schema"], name
        if name in OPEN:
            assert "security" not in one, name
        else:
            assert one["security"] == [{"bearer": []}], name
            for code in ("401", "403", "422"):
                content = one["responses"][code]["content"]
                assert set(content) == {"application/problem+json"}, name


async def test_every_reference_leads_somewhere(node: Node) -> None:
    schema = node.app.openapi()
    for reference in references(schema):
        found: Any = schema
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in schema["components"]["schemas"]


async def test_the_description_does_not_depend_on_when_it_is_asked(node: Node) -> None:
    async with node.client(None) as client:
        first = (await client.get("/openapi.json")).json()
    assert first == create_app(node.engine).openapi()


async def test_the_check_of_answers_finds_what_is_wrong(node: Node) -> None:
    contract = Contract(node.app.openapi())
    schema = {"$ref": "#/components/schemas/Me"}
    good = {"name": "a", "role": "agent", "agent": None}
    contract.fits(good, schema, "me")
    wrong = [
        {**good, "more": 1},
        {"name": "a", "role": "agent"},
        {**good, "role": "king"},
        {**good, "agent": 5},
    ]
    for value in wrong:
        with pytest.raises(AssertionError):
            contract.fits(value, schema, "me")


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]


async def test_the_page_lists_every_route_and_loads_nothing(node: Node) -> None:
    async with node.client(None) as client:
        answer = await client.get("/docs")
    links = Links()
    links.feed(answer.text)
    assert links.found == ["openapi.json"]
    assert not links.tags & {"script", "img", "link", "iframe"}
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    routes = set(re.findall(r"<code>([A-Z]+ /[^<]+)</code>", answer.text))
    assert routes == {
        f"{method.upper()} {path}"
        for path, methods in node.app.openapi()["paths"].items()
        for method in methods
    }


async def test_every_answer_may_not_be_cached_or_sniffed(node: Node) -> None:
    async with node.client() as client:
        for path in ("/me", "/agents", "/nowhere", "/health/live"):
            answer = await client.get(path)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_address_or_method_that_is_none(node: Node) -> None:
    async with node.client() as client:
        for method, path, status in (
            ("GET", "/nowhere", 404),
            ("DELETE", "/agents", 405),
            ("GET", "/redoc", 404),
        ):
            answer = await client.request(method, path)
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_about_the_interface_names_every_route(node: Node) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    routes = {
        f"{method.upper()} {path}"
        for path, methods in node.app.openapi()["paths"].items()
        for method in methods
    }
    assert {route for route in routes if f"`{route}`" not in page} == set()
