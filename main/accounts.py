"""``offhook phones`` and ``offhook token``: what people need to get in."""

from __future__ import annotations

import hashlib
import secrets
import sys
from pathlib import Path

from pydantic import ValidationError

from config.credentials import load_secrets
from config.loading import load_settings
from config.settings import Token


def phones(config: Path | None) -> int:
    """Print every agent's SIP account. Meant for a person's terminal, not for a log."""
    settings = load_settings(config)
    known = load_secrets(settings)
    ports = [listen.port for listen in settings.sip.listen]
    print(
        f"registrar (server, proxy): this machine's address, port {ports[0] if ports else 5060}; "
        f"realm {settings.sip.domain}"
    )
    for agent in settings.agents:
        print(f"{agent.extension}  {agent.name:<20} password {known.phones[agent.extension]}")
    for trunk in settings.trunks:
        if trunk.username and trunk.name in known.trunks:
            print(
                f"{trunk.username}  calls in as trunk {trunk.name}, "
                f"password {known.trunks[trunk.name]} (no registration)"
            )
    codes = settings.codes
    print(
        f"dial {codes.sign_in} to sign in, {codes.on_break} for a break, "
        f"{codes.ready} when ready, {codes.sign_out} to sign out"
    )
    return 0


def token(name: str, role: str, agent: str | None) -> int:
    """Print a new token once, and the lines that go into the configuration."""
    if (role == "agent") != (agent is not None):
        print("--role agent needs --agent ID, every other role has none", file=sys.stderr)
        return 2
    text = secrets.token_urlsafe(24)
    digest = hashlib.sha256(text.encode()).hexdigest()
    try:
        Token.model_validate({"name": name, "role": role, "agent": agent, "sha256": digest})
    except ValidationError as error:
        for wrong in error.errors():
            print(f"{wrong['loc'][-1]}: {wrong['msg']}", file=sys.stderr)
        return 2
    print(f"token (shown once): {text}", file=sys.stderr)
    print("tokens:")
    print(f"  - name: {name}")
    print(f"    role: {role}")
    if agent:
        print(f"    agent: {agent}")
    print(f"    sha256: {digest}")
    return 0
