"""Holds every answer of a test against openapi.json: route, status, type and body."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import httpx

# Answers that belong to no route, or to none in particular.
NO_ROUTE = {404, 405}
KINDS = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


class Contract:
    """One description. ``check`` is a response hook of a client."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self._routes = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), operations)
            for path, operations in schema["paths"].items()
        ]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, operations in self._routes:
            if pattern.match(path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        return None

    async def check(self, response: httpx.Response) -> None:
        request = response.request
        operation = self.operation(request.method, request.url.path)
        if operation is None:
            return
        where = f"{request.method} {request.url.path} {response.status_code}"
        described = operation["responses"].get(str(response.status_code))
        assert described is not None, f"{where} is not in openapi.json"
        await response.aread()
        if not response.content:
            return
        content = described.get("content", {})
        kind = response.headers["content-type"].split(";")[0]
        assert kind in content, f"{where}: {kind} is not among {list(content)}"
        if kind.endswith("json"):
            self.fits(response.json(), content[kind]["schema"], where)

    def fits(self, value: Any, schema: dict[str, Any], where: str) -> None:
        """Assert that a value is as its schema says (the part of JSON Schema that is used)."""
        known = {
            "$ref", "anyOf", "type", "enum", "const", "properties", "required", "items", "format",
            "additionalProperties", "title", "description", "default", "maximum", "minimum",
            "pattern", "maxLength", "minLength",
        }  # fmt: skip
        assert schema.keys() <= known, f"{where}: {schema.keys() - known} is not checked here"
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            self.fits(value, self.schema["components"]["schemas"][name], where)
        elif "anyOf" in schema:
            self._any(value, schema["anyOf"], where)
        else:
            self._plain(value, schema, where)

    def _any(self, value: Any, choices: list[dict[str, Any]], where: str) -> None:
        wrong = []
        for choice in choices:
            try:
                self.fits(value, choice, where)
            except AssertionError as error:
                wrong.append(str(error))
            else:
                return
        raise AssertionError(f"{where}: {value!r} fits none: {wrong}")

    def _plain(self, value: Any, schema: dict[str, Any], where: str) -> None:
        if "type" in schema:
            kind = KINDS[schema["type"]]
            assert isinstance(value, kind), f"{where}: {value!r} is no {schema['type']}"
            if schema["type"] in ("integer", "number"):
                assert not isinstance(value, bool), where
        if "const" in schema:
            assert value == schema["const"], where
        if "enum" in schema:
            assert value in schema["enum"], f"{where}: {value!r} is not in {schema['enum']}"
        if schema.get("format") == "date-time":
            assert datetime.fromisoformat(value).tzinfo is not None, where
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.fits(item, schema["items"], f"{where}[{index}]")
        if isinstance(value, dict):
            self._object(value, schema, where)

    def _object(self, value: dict[str, Any], schema: dict[str, Any], where: str) -> None:
        properties = schema.get("properties", {})
        missing = set(schema.get("required", [])) - value.keys()
        assert not missing, f"{where}: {missing} is missing"
        more = schema.get("additionalProperties", False)
        for name, item in value.items():
            if name in properties:
                self.fits(item, properties[name], f"{where}.{name}")
            else:
                assert more, f"{where}: {name} is not described"
                self.fits(item, more, f"{where}.{name}")
