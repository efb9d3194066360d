"""Who may do what: the whole table of roles and routes, and what a token is."""

from __future__ import annotations

import logging

import pytest

from tests.api.fakes import TOKENS, Node

PEOPLE = ("anna", "boris", "sveta", "prometheus", "chief", "own admin", None)

# Route: the status for each of PEOPLE. Call c1, ticket 1 and live call c2 are anna's.
TABLE: dict[tuple[str, str], tuple[int, ...]] = {
    ("GET", "/health/live"): (200, 200, 200, 200, 200, 200, 200),
    ("GET", "/health/ready"): (200, 200, 200, 200, 200, 200, 200),
    ("GET", "/openapi.json"): (200, 200, 200, 200, 200, 200, 200),
    ("GET", "/docs"): (200, 200, 200, 200, 200, 200, 200),
    ("GET", "/metrics"): (403, 403, 200, 200, 200, 200, 401),
    ("GET", "/me"): (200, 200, 200, 200, 200, 200, 401),
    ("GET", "/queues"): (200, 200, 200, 200, 200, 200, 401),
    ("GET", "/queues/support"): (200, 404, 200, 200, 200, 200, 401),
    ("GET", "/reports/queues"): (200, 200, 200, 200, 200, 200, 401),
    ("GET", "/reports/agents"): (200, 200, 200, 403, 200, 200, 401),
    ("GET", "/agents"): (200, 200, 200, 403, 200, 200, 401),
    ("GET", "/agents/anna"): (200, 200, 200, 403, 200, 200, 401),
    ("POST", "/agents/anna/presence"): (200, 403, 200, 403, 200, 200, 401),
    ("POST", "/agents/anna/wrap-up/end"): (409, 403, 409, 403, 409, 409, 401),
    ("POST", "/agents/anna/wrap-up/extend"): (409, 403, 409, 403, 409, 409, 401),
    ("GET", "/breaks"): (200, 200, 200, 403, 200, 200, 401),
    ("GET", "/calls"): (200, 200, 200, 403, 200, 200, 401),
    ("GET", "/calls/c1"): (200, 404, 200, 403, 200, 200, 401),
    ("GET", "/calls/c2"): (200, 404, 200, 403, 200, 200, 401),
    ("POST", "/calls/c2/transfer"): (422, 404, 422, 403, 422, 422, 401),
    ("POST", "/calls/c1/hang-up"): (409, 404, 409, 403, 409, 409, 401),
    ("GET", "/calls/c2/place"): (403, 403, 404, 403, 404, 404, 401),
    ("PATCH", "/calls/c2/place"): (403, 403, 404, 403, 404, 404, 401),
    ("POST", "/calls/c2/move"): (403, 403, 404, 403, 404, 404, 401),
    ("GET", "/calls/c1/why"): (403, 403, 200, 403, 200, 200, 401),
    ("GET", "/callbacks"): (403, 403, 200, 403, 200, 200, 401),
    ("DELETE", "/callbacks/c2"): (403, 403, 404, 403, 404, 404, 401),
    ("GET", "/tickets"): (200, 200, 200, 403, 200, 200, 401),
    ("GET", "/tickets/T-000001"): (200, 404, 200, 403, 200, 200, 401),
    ("POST", "/tickets/T-000001/comments"): (202, 404, 202, 403, 202, 202, 401),
    ("POST", "/tickets/T-000001/disposition"): (202, 404, 202, 403, 202, 202, 401),
    ("POST", "/tickets/T-000001/close"): (403, 403, 409, 403, 409, 409, 401),
    ("GET", "/recordings/c1-r1"): (403, 403, 200, 403, 200, 200, 401),
    ("GET", "/recordings/c1-r1/audio"): (403, 403, 200, 403, 200, 200, 401),
    ("GET", "/webhooks"): (403, 403, 403, 403, 200, 200, 401),
    ("GET", "/webhooks/crm/messages"): (403, 403, 403, 403, 404, 404, 401),
    ("GET", "/webhooks/crm/messages/msg_x"): (403, 403, 403, 403, 404, 404, 401),
    ("POST", "/webhooks/crm/messages/msg_x/resend"): (403, 403, 403, 403, 404, 404, 401),
    ("POST", "/webhooks/crm/resend"): (403, 403, 403, 403, 404, 404, 401),
    ("POST", "/webhooks/crm/resume"): (403, 403, 403, 403, 404, 404, 401),
}
BODIES = {
    "/agents/anna/presence": {"presence": "available"},
    "/agents/anna/wrap-up/extend": {"seconds": 30},
    "/calls/c2/transfer": {"target": "nowhere"},
    "/calls/c2/place": {"priority": 1},
    "/calls/c2/move": {"queue": "support"},
    "/tickets/T-000001/comments": {"text": "rang back"},
    "/tickets/T-000001/disposition": {"disposition": "sold"},
}


async def test_every_role_on_every_route(node: Node) -> None:
    recording = node.recording_file("c1-r1", b"RIFF" + bytes(100))
    # The ticket is closed already, so that closing it is a 409.
    await node.past_call("c1", outcome="answered", recording=recording)
    node.live_call("c2")
    async with node.client("sveta") as client:
        (await client.post("/tickets/1/disposition", json={"disposition": "x"})).raise_for_status()
    await node.settle()
    wrong = []
    for (method, path), statuses in TABLE.items():
        for who, status in zip(PEOPLE, statuses, strict=True):
            async with node.client(who) as client:
                answer = await client.request(method, path, json=BODIES.get(path))
            if answer.status_code != status:
                wrong.append(f"{who} {method} {path}: {answer.status_code}, not {status}")
    assert not wrong, "\n".join(wrong)


def test_the_table_has_every_route(node: Node) -> None:
    described = {
        (method.upper(), path)
        for path, operations in node.app.openapi()["paths"].items()
        for method in operations
    }
    named = {
        (method, path.replace("/c1-r1", "/{recording}").replace("/T-000001", "/{number}"))
        for method, path in TABLE
    }
    named = {
        (
            method,
            path.replace("/anna", "/{agent}")
            .replace("/c1", "/{call}")
            .replace("/c2", "/{call}")
            .replace("/support", "/{queue}")
            .replace("/crm", "/{endpoint}")
            .replace("/msg_x", "/{message}"),
        )
        for method, path in named
    }
    assert described == {item for item in named if item[1] not in ("/docs", "/openapi.json")}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic YWRtaW46YWRtaW4=",
        f"Bearer {TOKENS['sveta']}x",
        f"Bearer {TOKENS['sveta'][:-1]}",
        "Bearer " + "x" * 20_000,
        "Bearer \xfc\xfc",
    ],
)
async def test_a_wrong_token_is_told_what_is_needed(node: Node, header: str) -> None:
    async with node.client(None) as client:
        answer = await client.get("/me", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_token_in_the_address_is_no_token(node: Node) -> None:
    async with node.client(None) as client:
        for name in ("token", "access_token"):
            answer = await client.get(f"/me?{name}={TOKENS['sveta']}")
            assert answer.status_code == 401


async def test_no_token_and_no_number_gets_into_the_log(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await node.past_call("c1")
    async with node.client("sveta") as client:
        await client.get("/me")
        await client.get("/tickets?caller=%2B37120000001")
        await client.post("/tickets/1/comments", json={"text": "ring +37120000001"})
    # main.logs keeps the libraries' debug lines out, and masks what looks like a number.
    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.split(".")[0] not in ("httpx", "aiosqlite", "asyncio")
    ]
    for text in ours:
        assert TOKENS["sveta"] not in text
        assert "37120000001" not in text


async def test_me(node: Node) -> None:
    for who, role, agent in (
        ("anna", "agent", "anna"),
        ("prometheus", "operator", None),
        ("sveta", "supervisor", None),
        ("own admin", "admin", None),
    ):
        async with node.client(who) as client:
            answer = (await client.get("/me")).json()
        assert (answer["role"], answer["agent"]) == (role, agent)


async def test_an_error_of_ours_says_so_and_no_more(node: Node) -> None:
    node.engine.floor = None  # type: ignore[assignment]
    async with node.client() as client:
        client.event_hooks = {}
        answer = await client.get("/agents")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "this is our fault; the log tells more"
