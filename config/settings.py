"""The configuration of one Offhook node: typed, frozen, checked once at start.

Every field has a default that works on one machine without any server. Times are in
seconds (``_s``), sizes in bytes (``_bytes``) unless a name says otherwise. Loading, with
errors that name file, line and remedy, is in ``config.loading``.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from config.hours import Schedule as OpeningHours
from config.queueing import AgentSettings as AgentSettings
from config.queueing import CallerLists, Codes, Floor
from config.queueing import QueueSettings as QueueSettings
from config.remedies import suggest
from config.schedule import Schedule, build_schedule
from config.section import Language, Name, Section
from config.section import ip_version as ip_version
from config.webhooks import Webhooks


class Listen(Section):
    """One SIP listener. Port 0 takes a free port."""

    transport: Literal["udp", "tcp"] = "udp"
    host: str = "0.0.0.0"
    port: int = Field(5060, ge=0, le=65535)


class SipLimits(Section):
    """What one peer, and all together, may ask of the SIP front end."""

    message_bytes_max: int = Field(65_535, ge=2_000)
    body_bytes_max: int = Field(16_384, ge=512)
    headers_max: int = Field(128, ge=16)
    transactions_max: int = Field(20_000, ge=10)
    dialogs_max: int = Field(5_000, ge=2)
    calls_max: int = Field(1_000, ge=1, description="calls in progress; beyond: 503")
    lag_s_max: float = Field(
        0.5, gt=0, description="an engine whose loop runs so late takes no new calls: 503"
    )
    connections_max: int = Field(2_000, ge=1)
    contacts_per_address_max: int = Field(8, ge=1)
    retry_after_s: int = Field(5, ge=1)


class Sip(Section):
    """The SIP front end."""

    listen: tuple[Listen, ...] = (Listen(transport="udp"), Listen(transport="tcp"))
    domain: str = "offhook.local"
    advertise: str | None = Field(
        None, description="address that peers (of its family) reach us at; default: the listener's"
    )
    user_agent: str = "Offhook"
    register_expires_min_s: int = Field(30, ge=1)
    register_expires_max_s: int = Field(3600, ge=60)
    session_expires_s: int = Field(1800, ge=90, description="RFC 4028; 90 is its smallest")
    nonce_lifetime_s: int = Field(300, ge=10)
    limits: SipLimits = SipLimits()


class Media(Section):
    """Media workers and their RTP ports."""

    workers: int = Field(2, ge=1, le=64)
    host: str = Field("0.0.0.0", description="address the RTP sockets bind to for IPv4 peers")
    host6: str | None = Field(
        None, description="the same for IPv6 peers; default: ::1 where host is loopback, else ::"
    )
    advertise: str | None = Field(
        None, description="address written into session descriptions, for peers of its family"
    )
    port_min: int = Field(20_000, ge=1024, le=65_535)
    port_max: int = Field(29_999, ge=1024, le=65_535)
    port_rest_s: float = Field(10.0, ge=0)
    timeout_s: float = Field(15.0, gt=0, description="no RTP for so long ends a talking leg")

    @model_validator(mode="after")
    def _range_holds_the_workers(self) -> Media:
        if self.port_max - self.port_min + 1 < 4 * self.workers:
            raise ValueError("port_min..port_max must hold at least four ports for each worker")
        return self

    @field_validator("host")
    @classmethod
    def _is_ipv4(cls, value: str) -> str:
        if ip_version(value) != 4:
            raise ValueError(f"{value!r} is no IPv4 address; media.host6 is for IPv6")
        return value

    @field_validator("host6")
    @classmethod
    def _is_ipv6(cls, value: str | None) -> str | None:
        if value is not None and ip_version(value) != 6:
            raise ValueError(f"{value!r} is no IPv6 address")
        return value

    @property
    def hosts(self) -> tuple[str, str]:
        """What the RTP sockets bind to: for IPv4 and for IPv6 peers."""
        loopback = ipaddress.ip_address(self.host).is_loopback
        return self.host, self.host6 or ("::1" if loopback else "::")


class Trunk(Section):
    """A SIP peer that brings calls, and that outbound calls leave through."""

    name: Name
    addresses: tuple[str, ...] = Field(
        (), description="source networks: 192.0.2.1, 192.0.2.0/24 or 192.0.2.1:5060"
    )
    username: str | None = Field(None, description="digest user, for a trunk without fixed address")
    password_env: str | None = None
    password_file: Path | None = None
    outbound: str | None = Field(
        None,
        pattern=r"^sip:([^@\s<>]+@)?(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?(;[^\s<>?]+)?$",
        description="where to send calls: sip:host:port;transport=udp",
    )
    codecs: tuple[Literal["PCMU", "PCMA"], ...] = ("PCMA", "PCMU")

    @field_validator("addresses")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            parse_source(item)
        return value

    @model_validator(mode="after")
    def _has_a_way_in(self) -> Trunk:
        if not self.addresses and not self.username and not self.outbound:
            raise ValueError("a trunk needs addresses, a username or outbound")
        return self


def parse_source(
    item: str,
) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int | None]:
    """Split ``192.0.2.0/24:5060`` or ``[2001:db8::/32]:5060`` into (network, port or None).

    Raises ValueError where it is neither.
    """
    text, port = item, None
    if text.startswith("["):
        text, _, tail = text[1:].partition("]")
        port = int(tail[1:]) if tail.startswith(":") else None
    elif text.count(":") == 1:
        text, _, tail = text.partition(":")
        port = int(tail)
    return ipaddress.ip_network(text, strict=False), port


class Number(Section):
    """A dialled number and where its calls go: exactly one of flow and queue."""

    number: str = Field(pattern=r"^(\+?[0-9A-Za-z._-]{1,64}|\*)$", description="'*' is any other")
    flow: Name | None = None
    queue: Name | None = None

    @model_validator(mode="after")
    def _goes_one_way(self) -> Number:
        if (self.flow is None) == (self.queue is None):
            raise ValueError("name exactly one of flow and queue")
        return self


class Recordings(Section):
    """Call recordings."""

    enabled: bool = True
    dir: Path | None = Field(None, description="default: <data_dir>/recordings")
    voicemail_s_max: float = Field(180.0, gt=0)


class Api(Section):
    """The HTTP listener."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    metrics_public: bool = Field(False, description="/metrics without a token")


class Token(Section):
    """A bearer token; ``offhook token`` makes one and prints what to put here."""

    name: Name
    role: Literal["agent", "supervisor", "operator", "admin"]
    agent: Name | None = Field(None, description="with role agent: whose token this is")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _agent_is_named(self) -> Token:
        if (self.role == "agent") != (self.agent is not None):
            raise ValueError("role agent needs agent: <id>, every other role has none")
        return self


class Store(Section):
    """Where records and shared state live. The default needs no server."""

    database: str = Field(
        "sqlite",
        pattern=r"^(sqlite|sqlite:///.+|postgres(ql)?://.+)$",
        description="'sqlite' (a file in data_dir) or postgresql://user@host/name",
    )
    state: str = Field(
        "memory",
        pattern=r"^(memory|rediss?://([^:@/?#\s]+@)?[^@/?#\s]+(/[0-9]*)?)$",
        description="presence and registrations: 'memory', or redis://host:6379/0 (rediss:// for "
        "TLS) from where another machine takes them over; the password never stands here",
    )
    state_password_env: str | None = Field(None, description="variable with the Redis password")
    state_password_file: Path | None = None
    decisions_kept_s: float | None = Field(
        7_776_000.0,
        ge=86_400,
        description="90 days: so long the database knows why a call was answered by whom; null: "
        "for ever",
    )
    figures_kept_s: float | None = Field(
        63_072_000.0,
        ge=259_200,
        description="two years of figures by quarter of an hour for reports; null: for ever",
    )


class JournalSettings(Section):
    """The log of facts."""

    segment_bytes: int = Field(16_777_216, ge=65_536)
    total_bytes_max: int = Field(4_294_967_296, ge=2_097_152)
    reserve_bytes: int = Field(
        16_777_216,
        ge=0,
        description="room kept on the disk for the calls in progress when it is full",
    )


class TicketPolicy(Section):
    """What tickets are due when, and what counts as the same matter."""

    due_s: float = Field(3600.0, gt=0, description="deadline of a ticket that stays open")
    repeat_window_s: float = Field(604_800.0, gt=0, description="7 days")


class Settings(Section):
    """The whole configuration."""

    data_dir: Path = Path("data")
    timezone: str = "UTC"
    language: Language = "en"
    sip: Sip = Sip()
    media: Media = Media()
    trunks: tuple[Trunk, ...] = ()
    numbers: tuple[Number, ...] = ()
    flows_dir: Path | None = Field(None, description="default: the shipped flows")
    hours: dict[Name, Schedule] = Field(
        default_factory=dict, max_length=50, description="opening hours that queues name"
    )
    queues: tuple[QueueSettings, ...] = ()
    agents: tuple[AgentSettings, ...] = ()
    callers: CallerLists = CallerLists()
    codes: Codes = Codes()
    floor: Floor = Floor()
    recordings: Recordings = Recordings()
    api: Api = Api()
    tokens: tuple[Token, ...] = ()
    store: Store = Store()
    journal: JournalSettings = JournalSettings()
    tickets: TicketPolicy = TicketPolicy()
    webhooks: Webhooks = Webhooks()

    @model_validator(mode="after")
    def _names_fit(self) -> Settings:
        for label, names in (
            ("trunk", [trunk.name for trunk in self.trunks]),
            ("queue", [queue.name for queue in self.queues]),
            ("agent", [agent.id for agent in self.agents]),
            ("extension", [agent.extension for agent in self.agents]),
            ("number", [number.number for number in self.numbers]),
            ("token", [token.name for token in self.tokens]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{label} {sorted(twice)[0]!r} is named twice; each needs its own")
        queues = {queue.name for queue in self.queues}
        wanted = {name for agent in self.agents for name in agent.queues}
        wanted |= {number.queue for number in self.numbers if number.queue}
        ways = {way for queue in self.queues for way in queue.ways_out}
        ways.add(self.floor.personal.overflow)
        wanted |= {way.removeprefix("queue:") for way in ways if way.startswith("queue:")}
        wanted |= {name for listed in self.callers.vip for name in listed.queues}
        wanted |= {name for listed in self.callers.blocked for name in listed.queues}
        if wanted - queues:
            raise ValueError(
                f"queue {sorted(wanted - queues)[0]!r} is used but not under queues:; "
                f"known: {', '.join(sorted(queues)) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _skills_fit(self) -> Settings:
        """A step that drops a skill which nobody has or asks for is a slip of the pen."""
        skills = {skill for queue in self.queues for skill in queue.skills}
        skills |= {skill for agent in self.agents for skill in agent.skills}
        for queue in self.queues:
            for skill in (skill for step in queue.widening for skill in step.drop):
                if skill not in skills:
                    raise ValueError(
                        f"the skill {skill!r}, which widening of queue {queue.name!r} drops, no "
                        f"agent has and no queue needs; {suggest(skill, skills)}"
                    )
        return self

    @model_validator(mode="after")
    def _hours_fit(self) -> Settings:
        for name, schedule in self.hours.items():
            try:
                build_schedule(schedule, self.timezone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                zone = schedule.timezone or self.timezone
                raise ValueError(
                    f"hours {name!r}: there is no time zone {zone!r}; write one as Europe/Riga"
                ) from error
        for queue in self.queues:
            if queue.hours is not None and queue.hours not in self.hours:
                raise ValueError(
                    f"the hours {queue.hours!r} of queue {queue.name!r} are not under hours:; "
                    f" known: {', '.join(sorted(self.hours)) or 'none'}"
                )
        return self

    def schedules(self) -> dict[str, OpeningHours]:
        """The opening hours by name, in the node's time zone where they name none."""
        return {name: build_schedule(item, self.timezone) for name, item in self.hours.items()}

    @model_validator(mode="after")
    def _nobody_is_mistaken(self) -> Settings:
        """What would work for one and silently take something from another."""
        owners = {agent.extension: agent.id for agent in self.agents}
        for trunk in self.trunks:
            if trunk.username in owners:
                raise ValueError(
                    f"trunk {trunk.name!r} has the username {trunk.username!r}, the phone of "
                    f"agent {owners[trunk.username]!r}; give one of them another"
                )
        codes: dict[str, str] = {}
        for name, code in self.codes.model_dump().items():
            if code in owners:
                raise ValueError(f"code {name} {code!r} is the extension of agent {owners[code]!r}")
            if code in codes:
                raise ValueError(f"codes {codes[code]} and {name} are both {code!r}")
            codes[code] = name
        for token in self.tokens:
            if token.agent is not None and token.agent not in owners.values():
                raise ValueError(
                    f"token {token.name!r} is for agent {token.agent!r}, who is not under agents:"
                )
        bound = [(at.transport, at.host, at.port) for at in self.sip.listen if at.port]
        twice = next((at for at in bound if bound.count(at) > 1), None)
        if twice is not None:
            raise ValueError(f"sip.listen names {twice[0]} {twice[1]}:{twice[2]} twice")
        return self
