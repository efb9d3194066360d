"""A world on a virtual clock: endpoints joined by a network that may lose, double and reorder;
and a scripted peer that speaks SIP by hand."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

from config.settings import AgentSettings, Settings, Sip, SipLimits, Trunk
from router.sip.digest import ha1
from router.sip.directory import SettingsDirectory
from router.sip.effects import CloseStream, Effect, Event, Flow, Send
from router.sip.endpoint import Endpoint
from router.sip.message import Request, Response, response_to
from router.sip.parser import parse_message

DOMAIN = "offhook.local"
SDP = "application/sdp"
Reaction = Callable[["Node", Event], None]


def settings(**sip: object) -> Settings:
    """A trunk ``carrier`` at 192.0.2.0/24, agents 101 and 102 with the password ``secret``,
    a digest trunk ``roaming`` with the user ``roamer``."""
    return Settings(
        sip=Sip(domain=DOMAIN, **sip),  # type: ignore[arg-type]
        trunks=(
            Trunk(name="carrier", addresses=("192.0.2.0/24",)),
            Trunk(name="roaming", username="roamer"),
        ),
        agents=(
            AgentSettings(id="ann", name="Ann", extension="101"),
            AgentSettings(id="bob", name="Bob", extension="102"),
        ),
    )


def secrets() -> dict[str, dict[str, str]]:
    return {
        user: {name: ha1(user, DOMAIN, "secret", name) for name in ("MD5", "SHA-256")}
        for user in ("101", "102", "roamer")
    }


def endpoint(name: str, host: str, **sip: object) -> Endpoint:
    numbers = count(1)
    made = settings(**sip)
    return Endpoint(
        made.sip,
        SettingsDirectory(made, secrets()),
        token=lambda: f"{name}{next(numbers)}x",
        nonce_secret=b"0123456789abcdef",
        local_host=lambda flow: (host, 5060),
    )


def tight(**limits: int) -> SipLimits:
    return SipLimits(**limits)


class Node:
    """An endpoint in a world, the events it told, and what it does about them."""

    def __init__(self, world: World, name: str, host: str, **sip: object) -> None:
        self.world = world
        self.host = host
        self.endpoint = endpoint(name, host, **sip)
        self.events: list[Event] = []
        self.on: dict[type, Reaction] = {}

    def take(self, output: list[Effect | Event]) -> None:
        for item in output:
            if isinstance(item, Send):
                self.world.carry(self, item)
            elif not isinstance(item, CloseStream):
                self.events.append(item)
                reaction = self.on.get(type(item))
                if reaction is not None:
                    reaction(self, item)

    def told(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


class World:
    """Nodes by host; ``loss`` and ``double`` are probabilities, a datagram takes between
    ``delay`` and ``delay + spread`` seconds."""

    def __init__(
        self,
        seed: int = 0,
        loss: float = 0.0,
        double: float = 0.0,
        delay: float = 0.01,
        spread: float = 0.0,
    ) -> None:
        self.random = Random(seed)
        self.loss, self.double, self.delay, self.spread = loss, double, delay, spread
        self.now = 0.0
        self.nodes: dict[str, Node] = {}
        self.wire: list[tuple[str, str, Request | Response]] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._ends: dict[int, tuple[Node, Flow, int]] = {}  # stream: far node, its flow, far end
        self._streams = count(1)
        self._order = count()

    def node(self, name: str, host: str, **sip: object) -> Node:
        self.nodes[host] = Node(self, name, host, **sip)
        return self.nodes[host]

    def at(self, delay: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + delay, next(self._order), act))

    def carry(self, sender: Node, send: Send) -> None:
        message = parse_message(send.data)
        self.wire.append((sender.host, send.flow.host, message))
        receiver = self.nodes.get(send.flow.host)
        copies = 0 if self.random.random() < self.loss else 1
        copies += self.random.random() < self.double
        if receiver is None:
            return
        if send.flow.transport == "tcp":
            self._carry_stream(sender, receiver, send)
            return
        flow = Flow("udp", sender.host, 5060)
        for _ in range(copies):
            self.at(
                self.delay + self.random.random() * self.spread,
                lambda: receiver.take(receiver.endpoint.receive(send.data, flow, self.now)),
            )

    def _carry_stream(self, sender: Node, receiver: Node, send: Send) -> None:
        """Streams lose nothing and keep the order, until ``cut``."""
        number = send.flow.connection
        if number < 0:
            number = self._open_stream(sender, receiver, send.flow)
        if number not in self._ends:
            self.at(0, lambda: sender.take(sender.endpoint.send_failed(send.flow, self.now)))
            return
        far, flow, _ = self._ends[number]
        self.at(self.delay, lambda: far.take(far.endpoint.receive(send.data, flow, self.now)))

    def _open_stream(self, sender: Node, receiver: Node, to: Flow) -> int:
        for number, (far, flow, _) in self._ends.items():
            if far is receiver and flow.host == sender.host and self._is_port(number, to.port):
                return number
        near, away = next(self._streams), next(self._streams)
        port = 40_000 + near
        self._ends[near] = (receiver, Flow("tcp", sender.host, port, away), away)
        self._ends[away] = (sender, Flow("tcp", receiver.host, to.port, near), near)
        return near

    def _is_port(self, number: int, port: int) -> bool:
        return self._ends[self._ends[number][2]][1].port == port

    def cut(self) -> None:
        """Every stream breaks."""
        broken, self._ends = self._ends, {}
        for far, flow, _ in broken.values():
            far.take(far.endpoint.stream_closed(flow.connection, self.now))

    def run(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        end = self.now + seconds
        while True:
            ticks = [
                (at, i)
                for i, node in enumerate(self.nodes.values())
                if (at := node.endpoint.next_deadline) is not None
            ]
            tick = min(ticks, default=None)
            act = self._due[0][0] if self._due else None
            if tick is not None and (act is None or tick[0] < act):
                if tick[0] > end:
                    break
                self.now = max(self.now, tick[0])
                node = list(self.nodes.values())[tick[1]]
                node.take(node.endpoint.tick(self.now))
            elif act is not None and act <= end:
                self.now = max(self.now, act)
                heapq.heappop(self._due)[2]()
            else:
                break
        self.now = end

    def methods(self) -> list[str]:
        """What crossed the wire: methods and statuses."""
        return [
            message.method if isinstance(message, Request) else str(message.status)
            for _, _, message in self.wire
        ]


class Peer:
    """Somebody at ``host`` who talks to one endpoint, message by message."""

    def __init__(
        self, endpoint: Endpoint, host: str = "192.0.2.1", port: int = 5060, connection: int = 0
    ) -> None:
        self.endpoint = endpoint
        self.flow = Flow("tcp" if connection else "udp", host, port, connection)
        self.now = 0.0
        self.sent: list[Request | Response] = []  # by the endpoint
        self.flows: list[Flow] = []
        self.events: list[Event] = []
        self._branches = count(1)

    # --- the endpoint's output -----------------------------------------------------------

    def take(self, output: list[Effect | Event]) -> None:
        for item in output:
            if isinstance(item, Send):
                self.sent.append(parse_message(item.data))
                self.flows.append(item.flow)
            elif not isinstance(item, CloseStream):
                self.events.append(item)

    def request(self, method: str) -> Request:
        """The last request of this method that the endpoint sent."""
        found = [m for m in self.sent if isinstance(m, Request) and m.method == method]
        return found[-1]

    def response(self) -> Response:
        """The endpoint's last response."""
        return [m for m in self.sent if isinstance(m, Response)][-1]

    def clear(self) -> None:
        self.sent.clear()
        self.flows.clear()
        self.events.clear()

    def tick(self, now: float) -> None:
        """Run every deadline up to ``now``."""
        while (due := self.endpoint.next_deadline) is not None and due <= now:
            self.now = max(self.now, due)
            self.take(self.endpoint.tick(self.now))
        self.now = now

    # --- what the peer says ----------------------------------------------------------------

    def send(self, message: Request | Response) -> None:
        self.take(self.endpoint.receive(message.encode(), self.flow, self.now))

    def ask(
        self,
        method: str,
        *extra: tuple[str, str],
        uri: str = f"sip:4400@{DOMAIN}",
        call_id: str = "call",
        cseq: int = 1,
        to: str = f"<sip:4400@{DOMAIN}>",
        from_: str = "<sip:+37120000001@192.0.2.1>;tag=peer",
        body: bytes = b"",
        contact: str | None = None,
    ) -> Response | None:
        """Send a request in a transaction of its own; the last response that came at once."""
        transport = self.flow.transport.upper()
        headers = [
            (
                "Via",
                f"SIP/2.0/{transport} {self.flow.host}:{self.flow.port};rport;"
                f"branch=z9hG4bKp{next(self._branches)}",
            ),
            ("Max-Forwards", "70"),
            ("From", from_),
            ("To", to),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        if method in ("INVITE", "UPDATE", "REFER"):
            own = contact or f"<sip:peer@{self.flow.host}:{self.flow.port}>"
            headers.append(("Contact", own))
        own_words = {name for name, _ in extra}
        headers = [item for item in headers if item[0] not in own_words] + list(extra)
        if body and not any(name == "Content-Type" for name, _ in extra):
            headers.append(("Content-Type", SDP))
        before = len(self.sent)
        self.send(Request(method, uri, headers, body))
        found = [m for m in self.sent[before:] if isinstance(m, Response)]
        return found[-1] if found else None

    def call(self, *extra: tuple[str, str], body: bytes = b"offer", **words: object) -> str:
        """An INVITE; the leg that came of it."""
        self.ask("INVITE", *extra, body=body, **words)  # type: ignore[arg-type]
        return self.events[-1].leg  # type: ignore[union-attr]

    def within(
        self, method: str, *extra: tuple[str, str], cseq: int, body: bytes = b"", **words: object
    ) -> Response | None:
        """A request in the dialog of the call that the endpoint answered."""
        last = next(
            m
            for m in reversed(self.sent)
            if isinstance(m, Response) and m.status > 100 and m.to.tag
        )
        contact = last.contact
        return self.ask(
            method,
            *extra,
            cseq=cseq,
            to=last.headers.get("To") or "",
            uri=contact.uri if contact else "sip:offhook@198.51.100.1",
            body=body,
            **words,  # type: ignore[arg-type]
        )

    def reply(
        self,
        status: int,
        *extra: tuple[str, str],
        to_tag: str = "callee",
        body: bytes = b"",
        request: Request | None = None,
        contact: str = "<sip:callee@192.0.2.1:5060>",
    ) -> None:
        """Answer the endpoint's last request (not an ACK)."""
        if request is None:
            request = [m for m in self.sent if isinstance(m, Request) and m.method not in ("ACK",)][
                -1
            ]
        headers = list(extra)
        if status < 300 and request.method in ("INVITE", "UPDATE"):
            headers.append(("Contact", contact))
        if body:
            headers.append(("Content-Type", SDP))
        self.send(response_to(request, status, to_tag=to_tag, headers=headers, body=body))


def answered(peer: Peer, *extra: tuple[str, str], body: bytes = b"answer") -> str:
    """A call that the peer made, answered and confirmed; the leg."""
    leg = peer.call(*extra)
    peer.take(peer.endpoint.answer(leg, body, peer.now))
    peer.within("ACK", cseq=1)
    return leg


def talking(peer: Peer, *extra: tuple[str, str], leg: str = "out", **words: object) -> str:
    """A call that the endpoint made to the peer, answered; the leg."""
    target = peer.endpoint.target_of(f"sip:callee@{peer.flow.host}:{peer.flow.port}")
    peer.take(
        peer.endpoint.invite(leg, target, b"offer", peer.now, caller="4400", **words)  # type: ignore[arg-type]
    )
    peer.reply(200, *extra, body=b"answer")
    return leg
