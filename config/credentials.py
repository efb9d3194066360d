"""Secrets: from the environment or files that the configuration names, else made once.

What nobody named is generated at the first start and kept in ``<data_dir>/secrets.json``,
readable by the owner only. Nothing here is ever logged.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import ssl
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from config.errors import ConfigError
from config.settings import Settings
from config.webhooks import Endpoint, signing_keys

ALPHABET = string.ascii_letters + string.digits
FILE = "secrets.json"


@dataclass(frozen=True, slots=True)
class Secrets:
    """``phones``: SIP password by extension; ``trunks``: by trunk name; ``state``: the state
    store's, "" for none; ``webhooks``: the keys that sign, by endpoint name."""

    nonce_secret: bytes = field(repr=False)
    admin_token: str = field(repr=False)
    phones: dict[str, str] = field(repr=False)
    trunks: dict[str, str] = field(repr=False)
    state: str = field(default="", repr=False)
    webhooks: dict[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)

    def ha1s(self, settings: Settings) -> dict[str, dict[str, str]]:
        """H(user:realm:password) by digest user, then by algorithm (RFC 7616 3.4.2)."""
        realm = settings.sip.domain
        users = dict(self.phones)
        for trunk in settings.trunks:
            if trunk.username and trunk.name in self.trunks:
                users[trunk.username] = self.trunks[trunk.name]
        found = {}
        for user, password in users.items():
            text = f"{user}:{realm}:{password}".encode()
            found[user] = {
                "MD5": hashlib.md5(text, usedforsecurity=False).hexdigest(),
                "SHA-256": hashlib.sha256(text).hexdigest(),
            }
        return found


def load_secrets(settings: Settings) -> Secrets:
    """Read, and make what is missing. Raises ConfigError where a named source is empty."""
    path = settings.data_dir / FILE
    kept = _read(path)
    own = kept.setdefault("own", {})
    before = json.dumps(kept, sort_keys=True)
    own.setdefault("nonce_secret", secrets.token_hex(32))
    own.setdefault("admin_token", secrets.token_urlsafe(24))
    generated = kept.setdefault("phones", {})
    phones = {}
    for agent in settings.agents:
        named = _named(agent.password_env, agent.password_file, f"agents.{agent.id}")
        if named is None:
            named = generated.setdefault(agent.extension, _password())
        phones[agent.extension] = named
    trunks = {}
    for trunk in settings.trunks:
        named = _named(trunk.password_env, trunk.password_file, f"trunks.{trunk.name}")
        if named is None and trunk.username:
            named = kept.setdefault("trunks", {}).setdefault(trunk.name, _password())
        if named is not None:
            trunks[trunk.name] = named
    store = settings.store
    state = _named(store.state_password_env, store.state_password_file, "store", "state_password")
    if json.dumps(kept, sort_keys=True) != before:
        _write(path, kept)
    return Secrets(
        bytes.fromhex(own["nonce_secret"]),
        own["admin_token"],
        phones,
        trunks,
        state or "",
        {endpoint.name: _keys(endpoint) for endpoint in settings.webhooks.endpoints},
    )


def absent(settings: Settings) -> Iterator[ConfigError]:
    """What ``load_secrets`` would stop at here: variables that are not set, files not readable."""
    store = settings.store
    named = [
        *((one.password_env, one.password_file, f"agents.{one.id}") for one in settings.agents),
        *((one.password_env, one.password_file, f"trunks.{one.name}") for one in settings.trunks),
    ]
    asked: list[Callable[[], object]] = [partial(_named, *one) for one in named]
    asked.append(
        partial(
            _named, store.state_password_env, store.state_password_file, "store", "state_password"
        )
    )
    asked += [partial(_keys, endpoint) for endpoint in settings.webhooks.endpoints]
    for ask in asked:
        try:
            ask()
        except ConfigError as error:
            yield error


def _keys(endpoint: Endpoint) -> tuple[bytes, ...]:
    """What signs an endpoint's messages; also, that its certificates can be read."""
    where = f"webhooks.{endpoint.name}"
    named = _named(endpoint.secret_env, endpoint.secret_file, where, "secret") or ""
    try:
        keys = signing_keys(named)
    except ValueError as error:
        key = "secret_env" if endpoint.secret_env else "secret_file"
        source = "environment" if endpoint.secret_env else str(endpoint.secret_file)
        raise ConfigError(source, 0, f"{where}.{key}", str(error)) from None
    if endpoint.ca_file is not None:
        try:
            ssl.create_default_context(cafile=endpoint.ca_file)
        except OSError as error:  # SSLError is one, too
            why = error.strerror or "no certificates in PEM form"
            raise ConfigError(
                str(endpoint.ca_file), 0, f"{where}.ca_file", f"cannot be used ({why})"
            ) from error
    return keys


def _read(path: Path) -> dict[str, dict[str, str]]:
    """What was generated before: sections of names and texts."""
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(str(path), 0, "", f"cannot be read ({error.strerror})") from error
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not all(map(_is_section, kept.values())):
        raise ConfigError(
            str(path), 0, "", "is damaged; restore it, or remove it to have new passwords made"
        )
    return kept


def _is_section(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _password() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(20))


def _named(
    variable: str | None, file: Path | None, where: str, key: str = "password"
) -> str | None:
    if variable is not None:
        value = os.environ.get(variable, "")
        if not value:
            raise ConfigError(
                "environment", 0, f"{where}.{key}_env", f"set {variable}, it is empty"
            )
        return value
    if file is None:
        return None
    try:
        value = file.read_text().strip()
    except OSError as error:
        raise ConfigError(
            str(file), 0, f"{where}.{key}_file", f"cannot be read ({error.strerror})"
        ) from error
    if not value:
        raise ConfigError(str(file), 0, f"{where}.{key}_file", "is empty; one line is needed")
    return value


def _write(path: Path, kept: dict[str, dict[str, str]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".new")
        part.unlink(missing_ok=True)  # of a crash; its mode would stay
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(kept, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ConfigError(
            str(path), 0, "data_dir", f"cannot be written ({error.strerror}); give another folder"
        ) from error
