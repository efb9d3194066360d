"""The section ``webhooks:``: who is told of calls and tickets, and how long it is tried."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from config.section import Name, Section

Kind = Literal["call.ended", "ticket.created", "ticket.updated", "recording.ready"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SECRETS_MAX = 3  # while one is exchanged for another, both sign
SECRET_PREFIX = "whsec_"  # noqa: S105 - how Standard Webhooks writes a secret
SECRET_BYTES = range(24, 65)  # Standard Webhooks, "Signature scheme"


class Endpoint(Section):
    """One receiver. Its secret is named, never written here."""

    name: Name
    plain_http: bool = Field(False, description="http:// to other machines than this one")
    url: str = Field(max_length=2_000, description="https://crm.example/hooks/offhook")
    events: tuple[Kind, ...] = Field(KINDS, min_length=1)
    caller: Literal["masked", "full"] = Field(
        "masked", description="full: callers' numbers and names, notes and comments as they are"
    )
    secret_env: str | None = Field(None, description="variable with the secret: whsec_...")
    secret_file: Path | None = None
    ca_file: Path | None = Field(None, description="certificates to trust instead of the public")

    @field_validator("url")
    @classmethod
    def _is_safe(cls, value: str, info: ValidationInfo) -> str:
        try:
            parts = urlsplit(value)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ValueError(f"is no address ({error}); write https://host/path") from None
        if parts.scheme not in ("https", "http") or not host or port == 0:
            raise ValueError("is no address to post to; write https://host/path")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("holds a character that no address has; write it percent-encoded")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds a user or password; messages are signed, take it out")
        if parts.fragment:
            raise ValueError("holds a # part, which is never sent; take it out")
        if parts.scheme == "http" and not is_loopback(host) and not info.data.get("plain_http"):
            raise ValueError(
                "is without TLS and leaves this machine; write https://, or set plain_http: true "
                "before anything else protects the way"
            )
        return value

    @model_validator(mode="after")
    def _has_one_secret(self) -> Endpoint:
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("name exactly one of secret_env and secret_file")
        if len(set(self.events)) != len(self.events):
            raise ValueError("events names one of them twice")
        return self

    @property
    def host(self) -> str:
        """Whom it is; the rest of an address may be a secret in itself."""
        return urlsplit(self.url).hostname or ""


def is_loopback(host: str) -> bool:
    """Whether the host is this machine: an address of loopback, or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def signing_keys(text: str) -> tuple[bytes, ...]:
    """The keys of a secret: ``whsec_`` and base64 of 24 to 64 bytes; several, each on its line or
    after a space, all sign. ValueError saying what is wrong, without the secret."""
    words = text.split()
    if len(words) > SECRETS_MAX:
        raise ValueError(f"holds {len(words)} secrets; {SECRETS_MAX} at most")
    keys = []
    for word in words:
        try:
            key = base64.b64decode(word.removeprefix(SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not word.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
            raise ValueError(
                "is no secret; write whsec_ and the base64 of 24 to 64 random bytes, as "
                '`echo "whsec_$(openssl rand -base64 32)"` makes it'
            )
        keys.append(key)
    return tuple(keys)


class Webhooks(Section):
    """What holds for all endpoints."""

    endpoints: tuple[Endpoint, ...] = Field((), max_length=20)
    timeout_s: float = Field(10.0, gt=0, le=60, description="for an answer, connecting included")
    response_bytes_max: int = Field(16_384, ge=0, le=1_048_576, description="read of an answer")
    in_flight_max: int = Field(8, ge=1, le=64, description="to one endpoint at once")
    retry_first_s: float = Field(5.0, gt=0, description="pause after the first failure, doubling")
    retry_max_s: float = Field(600.0, gt=0, description="the longest pause")
    give_up_s: float = Field(259_200.0, gt=0, description="3 days")
    backlog_max: int = Field(
        100_000, ge=1_000, description="for one endpoint; beyond, the oldest are given up"
    )
    keep_delivered_s: float = Field(86_400.0, ge=0, description="1 day")
    keep_given_up_s: float = Field(2_592_000.0, ge=0, description="30 days")
    kept_max: int = Field(
        100_000, ge=0, description="delivered, and given up, for one endpoint; the oldest leave"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Webhooks:
        names = [endpoint.name for endpoint in self.endpoints]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"endpoint {sorted(twice)[0]!r} is named twice; each needs its own")
        return self
