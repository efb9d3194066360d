"""The HTTP side of a node: all routes, what holds for each of them, and their description."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api import (
    agents,
    calls,
    docs_page,
    errors,
    health,
    me,
    metrics,
    queue_status,
    recordings,
    reports,
    tickets,
    waiting,
    webhooks,
    why,
)
from api.bounds import Bounds
from engine.engine import Engine

ABOUT = """Agents, calls, queues, tickets and recordings of one Offhook node.

Times are RFC 3339 in UTC, durations seconds. Errors are problem documents (RFC 9457)."""


def create_app(engine: Engine) -> FastAPI:
    """The application of one engine. Its parts are asked at each request, never copied."""
    app = Described(
        title="Offhook",
        version=engine.version,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        separate_input_output_schemas=False,
    )
    app.state.engine = engine
    errors.install(app)
    app.add_middleware(Bounds)
    for part in (
        health,
        metrics,
        me,
        agents,
        queue_status,
        reports,
        calls,
        waiting,
        why,
        tickets,
        recordings,
        webhooks,
        docs_page,
    ):
        app.include_router(part.router)
    return app


def operation_id(route: APIRoute) -> str:
    """The name of the function: stable and, as a test sees to, unique."""
    return route.name


class Described(FastAPI):
    """FastAPI whose description also holds the problem document that routes refer to."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
                separate_input_output_schemas=False,
            )
            shapes = schema.setdefault("components", {}).setdefault("schemas", {})
            problem = errors.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            shapes.update(problem.pop("$defs", {}))
            shapes["Problem"] = problem
            self.openapi_schema = schema
        return self.openapi_schema
