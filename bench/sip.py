"""SIP: microseconds to parse an INVITE, and OPTIONS parsed and answered in a second.

    python -m bench.sip [--seconds N]

The last line of standard output is one JSON object:

parse_us         CPU microseconds to parse one INVITE of about 1.1 kB and read its seven main
                 headers to their values (top Via, From, To, Call-ID, CSeq, Contact, Max-Forwards)
messages_per_s   OPTIONS that ``Endpoint.receive`` parses and answers in a second of CPU time,
                 each a transaction of its own that lives out its timers
split_us         the floor in the same run: the bytes cut into lines, each at its colon, and
                 nothing understood
email_us         the standard library's ``email.parser`` reading the same head, values unparsed
parse_ratio      parse_us / split_us
email_ratio      parse_us / email_us
bytes            size of the INVITE
keep_us          ``Endpoint.keep`` of a leg and MessagePack of that, mean of the four shapes below
adopt_us         the same way back: decoded, and adopted by another endpoint
kept_bytes_max   the largest of those records: an incoming leg that rings, the same answered and
                 confirmed, an outgoing leg that rings, the same in its call

Every message is distinct (numbers, tags, branches, Call-IDs, ports), so no memo of a message
or a value can help. Figures are the best of several rounds, in CPU time of this process.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterable
from email.parser import BytesHeaderParser

import msgspec

from config.settings import Sip
from router.sip.directory import DirectoryUser
from router.sip.effects import Flow, Invited, Send
from router.sip.endpoint import Endpoint
from router.sip.kept import KeptLeg
from router.sip.message import Request, Response, response_to
from router.sip.parser import parse_message

MESSAGES = 2_000
ANSWERED = 1_000
FLOW = Flow("udp", "192.0.2.1", 5060)


def make_invite(number: int) -> bytes:
    """An INVITE as a trunk sends it; every one differs."""
    host, port = f"192.0.2.{number % 250}", 20_000 + number % 9_999
    body = (
        f"v=0\r\no=- {number} {number + 1} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
    lines = [
        f"INVITE sip:+4930{number:07}@offhook.example.com:5060;user=phone SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK-{number:x}-524287-1---a{number}7b;rport",
        "Max-Forwards: 70",
        f"Record-Route: <sip:198.51.100.{number % 250};lr;ftag=as{number:x}>",
        f"Contact: <sip:+49301{number:07}@{host}:5060;transport=udp>",
        f"To: <sip:+4930{number:07}@offhook.example.com>",
        f'From: "Caller {number}" <sip:+49301{number:07}@example.net>;tag=a{number:x}b',
        f"Call-ID: {number:x}-89a7b6c5d4e3f2a1@{host}",
        f"CSeq: {number % 1000 + 1} INVITE",
        "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, OPTIONS, INFO, UPDATE, PRACK",
        "Supported: replaces, 100rel, timer, norefersub",
        "Session-Expires: 1800;refresher=uac",
        "Min-SE: 90",
        f"User-Agent: Example Phone 1.{number % 10}",
        f"P-Charging-Vector: icid-value={number:x}89a7b6c5;icid-generated-at={host}",
        f"P-Asserted-Identity: <sip:+49301{number:07}@example.net>",
        "Content-Type: application/sdp",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def make_options(number: int) -> bytes:
    """An OPTIONS as a peer sends it to see whether we live."""
    return (
        f"OPTIONS sip:offhook.example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number:x}x;rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:probe@192.0.2.1>;tag=t{number:x}\r\n"
        f"To: <sip:offhook.example.com>\r\nCall-ID: {number:x}@192.0.2.1\r\n"
        f"CSeq: {number % 1000 + 1} OPTIONS\r\nContact: <sip:probe@192.0.2.1:5060>\r\n"
        "Accept: application/sdp\r\nUser-Agent: probe\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def parse_all(messages: list[bytes]) -> None:
    for data in messages:
        message = parse_message(data)
        _ = message.via, message.from_, message.to, message.call_id
        _ = message.cseq, message.contacts, message.max_forwards


def split_all(messages: list[bytes]) -> None:
    for data in messages:
        head, _, _ = data.partition(b"\r\n\r\n")
        _ = [line.split(b":", 1) for line in head.split(b"\r\n")]


def email_all(messages: list[bytes]) -> None:
    parser = BytesHeaderParser()
    for data in messages:
        parser.parsebytes(data.partition(b"\r\n")[2])


def best_us(run: Callable[[list[bytes]], None], messages: list[bytes], seconds: float) -> float:
    """CPU microseconds a message in the best round of as many as fit."""
    best = float("inf")
    end = time.monotonic() + seconds
    while True:
        began = time.process_time()
        run(messages)
        best = min(best, (time.process_time() - began) / len(messages) * 1e6)
        if time.monotonic() >= end:
            return best


class AnyTrunk:
    """A directory that knows one trunk and no users."""

    def trunk_at(self, host: str, port: int) -> str | None:
        return "trunk"

    def user(self, name: str) -> DirectoryUser | None:
        return None


def fresh_endpoint() -> Endpoint:
    tokens = itertools.count()
    return Endpoint(
        Sip(),
        AnyTrunk(),
        token=lambda: f"t{next(tokens):x}",
        nonce_secret=b"bench" * 4,
        local_host=lambda flow: ("192.0.2.9", 5060),
    )


def answered_per_s(seconds: float) -> float:
    """OPTIONS answered by the endpoint in a second of CPU time, in the best round."""
    endpoint = fresh_endpoint()
    best, number, now = 0.0, 0, 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        messages = [make_options(number + index) for index in range(ANSWERED)]
        number += ANSWERED
        answered = 0
        began = time.process_time()
        for data in messages:
            now += 0.001
            answered += sum(isinstance(item, Send) for item in endpoint.receive(data, FLOW, now))
            if (due := endpoint.next_deadline) is not None and due <= now:
                endpoint.tick(now)
        spent = time.process_time() - began
        if answered != len(messages):
            raise SystemExit(f"{answered} of {len(messages)} OPTIONS were answered")
        best = max(best, answered / spent)
        now += 64.0  # every transaction of this round is over
        endpoint.tick(now)
    return best


def legs_in_four_shapes() -> list[tuple[Endpoint, str]]:
    """Each with its endpoint: an incoming leg that rings, and in its call; an outgoing one too."""
    body = make_invite(1).partition(b"\r\n\r\n")[2]
    found = []
    for talks in (False, True):
        endpoint = fresh_endpoint()
        out = endpoint.receive(make_invite(2), Flow("udp", "192.0.2.2", 5060), 0.0)
        leg = next(item.leg for item in out if isinstance(item, Invited))
        ringing = parse_message(sent_in(endpoint.progress(leg, 0.1)))
        if talks:
            endpoint.answer(leg, body, 0.2)
            ack = Request("ACK", "sip:offhook@192.0.2.9", ringing.headers.copy())
            ack.headers.set("CSeq", f"{ringing.cseq.number} ACK")
            ack.headers.add("Max-Forwards", "70")
            endpoint.receive(ack.encode(), FLOW, 0.3)
            kept = endpoint.keep(leg)
            assert kept is not None
            assert kept.state == "confirmed"
        found.append((endpoint, leg))
    for talks in (False, True):
        endpoint = fresh_endpoint()
        target = endpoint.target_of("sip:101@192.0.2.1")
        out = endpoint.invite("call.2", target, body, 0.0, caller="+4930")
        invite = parse_message(sent_in(out))
        assert isinstance(invite, Request)
        headers = [("Contact", "<sip:101@192.0.2.1>"), ("Content-Type", "application/sdp")]
        statuses: tuple[int, ...] = (180, 200) if talks else (180,)
        for status in statuses:
            response: Response = response_to(
                invite, status, to_tag="t", headers=headers, body=body if status == 200 else b""
            )
            endpoint.receive(response.encode(), FLOW, 0.1)
        found.append((endpoint, "call.2"))
    return found


def sent_in(output: Iterable[object]) -> bytes:
    return next(item.data for item in output if isinstance(item, Send))


def kept_figures(rounds: int = 300) -> dict[str, float]:
    """What it costs to write a leg down and to take it over."""
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(KeptLeg).decode
    keep_us, adopt_us, sizes = [], [], []
    for endpoint, leg in legs_in_four_shapes():
        best = [float("inf"), float("inf")]
        data = encode(endpoint.keep(leg))
        sizes.append(len(data))
        for _ in range(10):
            began = time.process_time()
            for _ in range(rounds):
                encode(endpoint.keep(leg))
            best[0] = min(best[0], time.process_time() - began)
            others = [fresh_endpoint() for _ in range(rounds)]
            began = time.process_time()
            for other in others:
                other.adopt(decode(data), 1.0)
            best[1] = min(best[1], time.process_time() - began)
        keep_us.append(best[0] / rounds * 1e6)
        adopt_us.append(best[1] / rounds * 1e6)
    return {
        "keep_us": round(sum(keep_us) / len(keep_us), 2),
        "adopt_us": round(sum(adopt_us) / len(adopt_us), 2),
        "kept_bytes_max": max(sizes),
    }


def check(messages: list[bytes]) -> None:
    """The values are really read, and the messages really differ."""
    assert len(set(messages)) == len(messages)
    for number, data in enumerate(messages[:100]):
        message = parse_message(data)
        assert isinstance(message, Request)
        assert message.from_.tag == f"a{number:x}b"
        assert message.via.branch == f"z9hG4bK-{number:x}-524287-1---a{number}7b"
        assert message.contacts[0].target().port == 5060


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--seconds", type=float, default=10.0, help="end within so long")
    # a share is left for making the messages and for the last round to end
    seconds = max(0.1, 0.8 * float(arguments.parse_args().seconds) - 0.5)
    messages = [make_invite(number) for number in range(MESSAGES)]
    check(messages)
    # interleaved, so that a busy neighbour cannot hit one of them only
    best = {parse_all: float("inf"), split_all: float("inf")}
    email_us = float("inf")
    for _ in range(4):
        for run in (parse_all, split_all):
            best[run] = min(best[run], best_us(run, messages, 0.08 * seconds))
        email_us = min(email_us, best_us(email_all, messages[:300], 0.01 * seconds))
    parse_us, split_us = best[parse_all], best[split_all]
    figures = {
        "parse_us": round(parse_us, 2),
        "messages_per_s": round(answered_per_s(0.3 * seconds)),
        "split_us": round(split_us, 2),
        "email_us": round(email_us, 2),
        "parse_ratio": round(parse_us / split_us, 2),
        "email_ratio": round(parse_us / email_us, 3),
        "bytes": len(messages[500]),
        **kept_figures(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
