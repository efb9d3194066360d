"""Errors as the API's clients see them: the one place that gives an error its HTTP status.

Every error is a problem document (RFC 9457) whose detail a person can act on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from config.errors import PeerError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
FIELD_PROBLEMS_MAX = 20


class FieldProblem(BaseModel):
    """One field of the request and what is wrong with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    problem: str


class Problem(BaseModel):
    """A problem document (RFC 9457). ``errors`` names the fields of a request that does not fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


class UnauthenticatedError(PeerError):
    """No token, or one that is not known."""


class ForbiddenError(PeerError):
    """The token's role does not allow this."""


class NotFoundError(PeerError):
    """There is no such thing, or it is not the asker's to see."""


class ConflictError(PeerError):
    """It cannot be done as things stand."""


class GoneError(PeerError):
    """It was there and is no more."""


class BodyTooLargeError(PeerError):
    """The request's body is longer than is taken."""


class BodyTooSlowError(PeerError):
    """The request's body does not come."""


class UnsatisfiableRangeError(PeerError):
    """The range asked for begins behind the end."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"the file has {size_bytes} bytes; the range begins behind its end")
        self.size_bytes = size_bytes


class InvalidError(PeerError):
    """A value of the request is wrong though its form is right."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnavailableError(PeerError):
    """A store that this needs is away; the same request later may work."""


STATUS: Mapping[type[PeerError], tuple[int, str]] = {
    UnauthenticatedError: (401, "A token is needed"),
    ForbiddenError: (403, "Not allowed"),
    NotFoundError: (404, "Not found"),
    BodyTooSlowError: (408, "The body does not come"),
    ConflictError: (409, "Not as things stand"),
    GoneError: (410, "Gone"),
    BodyTooLargeError: (413, "The body is too large"),
    UnsatisfiableRangeError: (416, "Range not satisfiable"),
    InvalidError: (422, "The request does not fit"),
    UnavailableError: (503, "Not at present"),
}
RETRY_AFTER_S = 2
TITLES = {404: "Not found", 405: "Method not allowed"}


def answer(
    status: int,
    title: str,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem document as a response."""
    problem = Problem(title=title, status=status, detail=detail, errors=list(errors))
    return JSONResponse(
        problem.model_dump(),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def of_peer_error(error: PeerError) -> JSONResponse:
    """The response to an error that is the client's, or that the client can wait out."""
    status, title = STATUS.get(type(error), (400, "Bad request"))
    headers = {}
    errors = []
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Bearer realm="offhook"'  # RFC 6750 3
    elif isinstance(error, UnavailableError):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, UnsatisfiableRangeError):
        headers["Content-Range"] = f"bytes */{error.size_bytes}"  # RFC 9110 15.5.17
    elif isinstance(error, InvalidError):
        errors = [FieldProblem(field=error.field, problem=error.problem)]
    return answer(status, title, str(error), errors, headers)


def declared(*kinds: type[PeerError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may fail in these ways. 401, 403 and 422 always belong,
    and 413, as any request may come with a body."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in (*ALWAYS, *kinds):
        status, title = STATUS[kind]
        found[status] = {"description": title, "content": {MEDIA_TYPE: {"schema": REFERENCE}}}
    return found


ALWAYS = (UnauthenticatedError, ForbiddenError, BodyTooLargeError, InvalidError)
REFERENCE = {"$ref": "#/components/schemas/Problem"}


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""

    @app.exception_handler(PeerError)
    async def peer(request: Request, error: PeerError) -> JSONResponse:
        return of_peer_error(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [_field(item) for item in error.errors()[:FIELD_PROBLEMS_MAX]]
        detail = "; ".join(f"{item.field}: {item.problem}" for item in errors)
        status, title = STATUS[InvalidError]
        return answer(status, title, detail, errors)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        title = TITLES.get(error.status_code, "Bad request")
        detail = "there is nothing at this address" if error.status_code == 404 else error.detail
        return answer(error.status_code, title, detail, headers=error.headers)

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> JSONResponse:
        log.error("%s fails", getattr(request.scope.get("route"), "name", "?"), exc_info=error)
        return answer(500, "Our mistake", "this is our fault; the log tells more")


def _field(item: Mapping[str, Any]) -> FieldProblem:
    """The field by its name in the request: ``presence``, ``limit``."""
    place = [str(part) for part in item["loc"] if part not in ("body", "query", "path", "header")]
    problem = str(item["msg"])
    return FieldProblem(field=".".join(place) or str(item["loc"][0]), problem=problem)
