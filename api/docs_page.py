"""/docs: the routes in plain HTML, made from openapi.json, with nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

router = APIRouter(include_in_schema=False)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-cache",
}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left;
  vertical-align: top }
code { font-size: .95em }
"""


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The list of routes."""
    schema: dict[str, Any] = request.app.openapi()
    return Response(page(schema), media_type="text/html", headers=HEADERS)


def page(schema: dict[str, Any]) -> str:
    """HTML of an OpenAPI description: a table of routes by tag."""
    info = schema["info"]
    tags: dict[str, list[str]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            tags.setdefault(tag, []).append(_row(path, method, operation))
    tables = "".join(
        f"<h2>{escape(tag)}</h2><table><tr><th>Route<th>What<th>Answers</tr>{''.join(rows)}</table>"
        for tag, rows in tags.items()
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info.get('description', ''))}</p>"
        "<p>Send a token as <code>Authorization: Bearer ...</code>. The whole description is "
        f"<a href='openapi.json'>openapi.json</a>.</p>{tables}</html>"
    )


def _row(path: str, method: str, operation: dict[str, Any]) -> str:
    about = escape(operation.get("description", operation.get("summary", "")))
    answers = " ".join(sorted(operation["responses"]))
    route = f"<code>{method.upper()} {escape(path)}</code>"
    return f"<tr><td>{route}<td>{about}<td>{answers}</tr>"
