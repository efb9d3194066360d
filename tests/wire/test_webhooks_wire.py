"""Webhooks for real: a receiver that fails in every way, an engine that is killed meanwhile.

Signatures are checked by the receiver, with another program than ours.
"""

from __future__ import annotations

import asyncio
import base64
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from config.webhooks import Endpoint, Webhooks, signing_keys
from engine.webhook_sender import Sender
from tests.wire import sipp
from tests.wire.system import CONFIG, System, eventually
from tests.wire.webhook_receiver import Mood, Receiver, Running
from tickets.webhook_lane import Answer, Message

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
CALLS = 40
STOPPED_S = 6.0  # the receiver stalls for less
FAILS = ("503", "500", "404", "422", "stall", "cut", "taken and lost", "302", "429")
HOOKS = """\
webhooks:
  timeout_s: 1
  retry_first_s: 0.2
  retry_max_s: 0.8
  endpoints:
    - {{name: crm, url: '{crm}', secret_file: crm.secret}}
    - {{name: bank, url: '{bank}', secret_env: TEST_BANK_SECRET, caller: full,
       events: [ticket.created]}}
"""


def fails_now_and_then(seed: int) -> Mood:
    rng = random.Random(seed)
    return lambda number: rng.choice(FAILS) if rng.random() < 0.2 else "200"


def _engine_is_killed(system: System) -> None:
    before = system.pids()["engine"]
    system.signal("engine", signal.SIGKILL)
    eventually(lambda: system.pids()["engine"] not in (None, before), "another engine")
    eventually(system._is_ready, "ready again", 15)


def test_each_event_arrives_whatever_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_BANK_SECRET", SECRET)
    crm = Receiver(SECRET, fails_now_and_then(1))
    bank = Receiver(SECRET, lambda number: "503" if number < 3 else "200")
    folder = tmp_path / "system"
    folder.mkdir()
    (folder / "crm.secret").write_text(f"{SECRET}\n")
    with Running(crm), Running(bank):
        system = System(folder, CONFIG + HOOKS.format(crm=crm.url, bank=bank.url))
        try:
            system.start()
            calls = sipp.start(
                system, "uac", calls=CALLS, rate=10, number="700",
                keys={"prefix": "+3715550"}, timeout_s=60,
            )  # fmt: skip
            for _ in range(3):
                time.sleep(1.0)
                _engine_is_killed(system)
            calls.finish().check(CALLS)
            tickets = system.wait_for_tickets("+3715550%", CALLS)
            ids = {ticket["call"] for ticket in tickets}
            eventually(lambda: _all_told(crm, bank, ids), "all is told", 60)
            _kill_with_one_on_its_way(system, crm)
            _seen_from_outside(system)
        finally:
            system.stop()
    assert crm.forged == bank.forged == []
    for call, events in crm.once().items():
        assert [kind for _, kind in events][:2] == ["call.ended", "ticket.created"], call
        assert events == sorted(events, key=lambda event: event[0]), call
    assert {len(events) for events in bank.once().values()} == {1}
    masked = {message["data"]["call"]["caller"] for message in crm.came}
    assert all(caller.startswith("******") for caller in masked)
    full = {message["data"]["call"]["caller"] for message in bank.came}
    assert full == {ticket["caller"] for ticket in tickets}
    log = system.log_text()
    assert "hidden" not in log
    assert SECRET not in log
    assert not [line for line in system.complaints() if "died after" not in line]


def _all_told(crm: Receiver, bank: Receiver, calls: set[str]) -> bool:
    found = crm.once()
    return (
        set(found) >= calls
        and all(len(found[call]) >= 2 for call in calls)
        and set(bank.once()) >= calls
    )


def _kill_with_one_on_its_way(system: System, crm: Receiver) -> None:
    """The receiver has it, the engine dies before it knows: it comes again, under its id."""
    stalled: list[str] = []

    def mood(number: int) -> str:
        if not stalled:
            stalled.append("taken and lost")
            return stalled[0]
        return "200"

    crm.mood = mood
    before = len(crm.came)
    with system.client() as client:
        number = client.get("/tickets").json()["items"][0]["number"]
        said = client.post(f"/tickets/{number}/comments", json={"text": "rings +37155501"})
        assert said.status_code == 202
    eventually(lambda: stalled, "it is on its way")
    _engine_is_killed(system)
    eventually(lambda: len(crm.came) >= before + 2, "it comes again")
    first, second = crm.came[before : before + 2]
    assert first["id"] == second["id"]
    assert first == second
    assert first["data"]["changed"] == "comment"
    assert first["data"]["comment"]["text"] is None


def _seen_from_outside(system: System) -> None:
    """API and metrics; a message that was delivered is sent once more."""

    def settled() -> bool:
        with system.client() as client:
            (bank, crm) = client.get("/webhooks").raise_for_status().json()["items"]
            return crm["messages"]["waiting"] == bank["messages"]["waiting"] == 0

    eventually(settled, "nothing waits")
    with system.client() as client:
        (bank, crm) = client.get("/webhooks").json()["items"]
        assert (crm["state"], crm["host"], crm["messages"]["given_up"]) == (
            "working", "127.0.0.1", 0,
        )  # fmt: skip
        assert bank["messages"]["delivered"] == CALLS
        lines = client.get("/metrics").text.splitlines()
        assert 'offhook_webhooks_backlog{endpoint="crm"} 0.0' in lines
        assert 'offhook_webhooks_up{endpoint="crm"} 1.0' in lines
        newest = client.get("/webhooks/bank/messages").json()["items"][0]
        again = client.post(f"/webhooks/bank/messages/{newest['id']}/resend")
        assert (again.status_code, again.json()) == (202, {"messages": 1})
    eventually(settled, "it is sent again")


# --- the sender alone ----------------------------------------------------------------------------

MESSAGE = Message("crm", 7, 1, "call.ended", "c1", 0.0, 0.0, 0.0, 0, '{"id":"msg_c1_7_call-ended"}')


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of 127.0.0.1, made for this run."""
    folder = tmp_path_factory.mktemp("certificate")
    both = folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "crt.pem")),
        ],
        check=True,
        capture_output=True,
    )
    both.write_text((folder / "key.pem").read_text() + (folder / "crt.pem").read_text())
    return both


async def sent(
    mood: str, *, certificate: Path | None = None, trusted: Path | None = None, timeout_s: float = 2
) -> tuple[Answer, Receiver]:
    """The answer to one message in this mood."""
    receiver = Receiver(SECRET, lambda number: mood)
    with Running(receiver, certificate):
        endpoint = Endpoint(name="crm", url=receiver.url, secret_env="A", ca_file=trusted)
        common = Webhooks(endpoints=(endpoint,), timeout_s=timeout_s)
        sender = Sender(endpoint, signing_keys(SECRET), common, time.time, "1.2.3")
        try:
            return await sender.send(MESSAGE), receiver
        finally:
            await sender.close()
            await asyncio.sleep(0.05)  # what was cut is closed in the loop's next turns


async def test_what_is_sent() -> None:
    answer, receiver = await sent("200")
    assert answer == Answer(200)
    assert receiver.forged == []
    (headers,) = receiver.headers
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "Offhook/1.2.3"
    assert headers["webhook-id"] == MESSAGE.id


@pytest.mark.parametrize(
    ("mood", "answer"),
    [
        ("204", Answer(204)),
        ('302{"location": "http://127.0.0.1:9/elsewhere"}', Answer(302)),
        ("410", Answer(410)),
        ('503{"retry-after": "30"}', Answer(503, retry_after_s=30.0)),
        ('429{"retry-after": "soon"}', Answer(429)),
        ('503{"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}', Answer(503)),
        ("cut", Answer(0, "RemoteProtocolError")),
    ],
)
async def test_what_an_answer_becomes(mood: str, answer: Answer) -> None:
    found, receiver = await sent(mood)
    assert found == answer
    assert receiver.requests == 1, "redirects are not followed, nothing is tried twice here"


async def test_cookies_are_not_kept() -> None:
    """They would grow with every answer, and go into every message."""
    receiver = Receiver(SECRET, lambda n: "200" if n else '202{"set-cookie": "seen=1"}')
    with Running(receiver):
        endpoint = Endpoint(name="crm", url=receiver.url, secret_env="A")
        sender = Sender(endpoint, signing_keys(SECRET), Webhooks(), time.time)
        for _ in range(2):
            assert (await sender.send(MESSAGE)).taken
        await sender.close()
    (headers,) = receiver.headers
    assert "cookie" not in headers


async def test_a_receiver_that_does_not_answer_is_not_waited_for() -> None:
    began = time.monotonic()
    answer, _ = await sent("stall", timeout_s=0.3)
    assert answer == Answer(0, "no answer in time")
    assert time.monotonic() - began < STOPPED_S


async def test_an_endless_answer_is_not_read() -> None:
    began = time.monotonic()
    answer, _ = await sent("large")
    assert answer == Answer(200)
    assert time.monotonic() - began < 1.5


async def test_a_certificate_that_nobody_vouches_for(certificate: Path) -> None:
    answer, receiver = await sent("200", certificate=certificate)
    assert answer == Answer(0, "certificate not trusted")
    assert receiver.requests == 0


async def test_a_certificate_of_the_banks_own(certificate: Path) -> None:
    answer, receiver = await sent(
        "200", certificate=certificate, trusted=certificate.with_name("crt.pem")
    )
    assert answer == Answer(200)
    assert receiver.requests == 1


async def test_nobody_is_there() -> None:
    receiver = Receiver(SECRET)
    with Running(receiver):
        pass
    endpoint = Endpoint(name="crm", url=receiver.url, secret_env="A")
    sender = Sender(endpoint, signing_keys(SECRET), Webhooks(), time.time)
    assert await sender.send(MESSAGE) == Answer(0, "cannot connect")
    await sender.close()
