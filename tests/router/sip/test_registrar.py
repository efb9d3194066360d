"""Who may do what outside a dialog, and where phones are: gate and registrar."""

from __future__ import annotations

import pytest

from router.sip.digest import answer_challenge
from router.sip.effects import Flow, Invited, RegistrationChanged, Send
from router.sip.message import Request, Response
from tests.router.sip.world import DOMAIN, Peer, endpoint, tight

AOR = f"<sip:101@{DOMAIN}>"
PHONE = "<sip:101@10.0.0.7:5060>"


class Phone(Peer):
    """A phone behind NAT that knows its password."""

    cseq = 0
    password = "secret"
    user = "101"

    def authorised(
        self, method: str, *extra: tuple[str, str], uri: str = f"sip:{DOMAIN}", **words: object
    ) -> Response:
        """A request with the answer to the challenge that it gets first."""
        words = {"call_id": "reg", "to": AOR, "from_": f"{AOR};tag=p", **words}
        self.cseq += 1
        refused = self.ask(method, *extra, uri=uri, cseq=self.cseq, **words)  # type: ignore[arg-type]
        assert refused is not None
        assert refused.status == 401
        value = answer_challenge(
            refused.headers.get_all("WWW-Authenticate"),
            method,
            uri,
            self.user,
            self.password,
            1,
            "cnonce",
        )
        self.cseq += 1
        before = len(self.sent)
        answer = self.ask(
            method,
            *extra,
            ("Authorization", value),
            uri=uri,
            cseq=self.cseq,
            **words,  # type: ignore[arg-type]
        )
        if answer is None:
            self.tick(self.now + 0.25)  # an INVITE that waits gets its 100
            answer = self.response()
        assert len(self.sent) > before
        return answer

    def register(self, *contacts: str, expires: str | None = "600", **words: object) -> Response:
        extra = [("Contact", contact) for contact in contacts]
        if expires is not None:
            extra.append(("Expires", expires))
        return self.authorised("REGISTER", *extra, **words)


@pytest.fixture
def phone() -> Phone:
    return Phone(endpoint("us", "198.51.100.1"), "203.0.113.5", 1024)


def uris(phone: Phone) -> list[str]:
    return [contact.uri for contact in phone.endpoint.contacts("101")]


# --- strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "BYE", "DANCE"]
)
def test_strangers_all_get_the_same_challenge(phone: Phone, method: str) -> None:
    for user in ("101", "999"):
        answer = phone.ask(method, uri=f"sip:{user}@{DOMAIN}", to=f"<sip:{user}@{DOMAIN}>")
        assert answer is not None
        assert answer.status == 401
        assert [name for name, _ in answer.headers if name in ("Allow", "Server")] == []
        assert len(answer.headers.get_all("WWW-Authenticate")) == 2
    assert phone.endpoint.figures()["transactions"] == 0
    assert phone.events == []


@pytest.mark.parametrize(("user", "password"), [("101", "wrong"), ("999", "secret")])
@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS"])
def test_wrong_credentials_get_the_same_refusal(
    phone: Phone, user: str, password: str, method: str
) -> None:
    phone.user, phone.password = user, password
    answer = phone.authorised(method)
    assert answer.status == 403
    assert [name for name, _ in answer.headers] == [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Content-Length",
    ]
    assert phone.events == []


def test_a_stale_nonce_is_challenged_again(phone: Phone) -> None:
    refused = phone.ask("REGISTER", to=AOR, from_=f"{AOR};tag=p", uri=f"sip:{DOMAIN}")
    assert refused is not None
    values = refused.headers.get_all("WWW-Authenticate")
    value = answer_challenge(values, "REGISTER", f"sip:{DOMAIN}", "101", "secret", 1, "c")
    phone.tick(400)
    again = phone.ask(
        "REGISTER",
        ("Authorization", value),
        to=AOR,
        from_=f"{AOR};tag=p",
        uri=f"sip:{DOMAIN}",
        cseq=2,
    )
    assert again is not None
    assert again.status == 401
    assert all("stale=true" in v for v in again.headers.get_all("WWW-Authenticate"))


def test_a_nonce_of_somebody_else_is_challenged(phone: Phone) -> None:
    value = f'Digest username="101", realm="{DOMAIN}", nonce="old", uri="sip:x", response="0"'
    answer = phone.ask("INVITE", ("Authorization", value))
    assert answer is not None
    assert answer.status == 401


def test_an_agent_calls(phone: Phone) -> None:
    phone.authorised("INVITE", uri=f"sip:*11@{DOMAIN}", body=b"offer")
    told = phone.events[-1]
    assert isinstance(told, Invited)
    assert (told.agent, told.trunk, told.caller, told.dialled) == ("101", "", "101", "*11")
    phone.take(phone.endpoint.answer(told.leg, b"answer", phone.now))
    phone.take(phone.endpoint.hang_up(told.leg, phone.now))
    phone.within("ACK", cseq=phone.cseq, call_id="reg", from_=f"{AOR};tag=p")
    assert phone.request("BYE")
    assert phone.flows[-1] == phone.flow  # behind NAT: not to its Contact


def test_a_trunk_with_a_password(phone: Phone) -> None:
    phone.user = "roamer"
    phone.authorised("INVITE", from_="<sip:+37120000009@x>;tag=r", to=f"<sip:44@{DOMAIN}>")
    told = phone.events[-1]
    assert isinstance(told, Invited)
    assert (told.trunk, told.agent, told.caller) == ("roaming", "", "+37120000009")
    assert phone.register(PHONE).status == 403


# --- registrations --------------------------------------------------------------------------------


def test_register_and_call_the_phone(phone: Phone) -> None:
    answer = phone.register(PHONE)
    assert answer.status == 200
    assert answer.headers.get_all("Contact") == ["<sip:101@10.0.0.7:5060>;expires=600;q=1"]
    assert phone.events == [RegistrationChanged("101", 1)]
    contact = phone.endpoint.contacts("101")[0]
    assert (contact.uri, contact.flow) == ("sip:101@10.0.0.7:5060", phone.flow)
    phone.take(phone.endpoint.invite("out", contact.target, b"offer", 0.0, caller="1"))
    assert (phone.flows[-1], phone.request("INVITE").uri) == (phone.flow, contact.uri)
    assert phone.endpoint.figures()["registrations"] == 1


def test_registrations_run_out(phone: Phone) -> None:
    phone.register(PHONE, "<sip:101@10.0.0.8>;expires=60")
    phone.tick(61)
    assert phone.events[-1] == RegistrationChanged("101", 1)
    assert uris(phone) == ["sip:101@10.0.0.7:5060"]
    phone.register(PHONE)
    phone.tick(650)
    assert phone.endpoint.figures()["registrations"] == 1
    phone.tick(700)
    assert phone.events[-1] == RegistrationChanged("101", 0)
    assert phone.endpoint.next_deadline is None


def test_a_refresh_is_no_change(phone: Phone) -> None:
    for _ in range(3):
        assert phone.register(PHONE).status == 200
    assert phone.events == [RegistrationChanged("101", 1)]


def test_several_contacts_best_first(phone: Phone) -> None:
    phone.register("<sip:101@a>;q=0.2, <sip:101@b>;q=0.7", "<sip:101@c>;q=0.5")
    assert uris(phone) == ["sip:101@b", "sip:101@c", "sip:101@a"]
    assert phone.events == [RegistrationChanged("101", 3)]


def test_removal_query_and_star(phone: Phone) -> None:
    phone.register("<sip:101@a>, <sip:101@b>, <sip:101@c>")
    assert phone.register("<sip:101@a>;expires=0").status == 200
    query = phone.register(expires=None)
    assert len(query.headers.get_all("Contact")) == 2
    assert phone.register("*").status == 400
    assert phone.register("*, <sip:101@b>", expires="0").status == 400
    assert phone.register("*", expires=None).status == 400
    assert len(uris(phone)) == 2
    answer = phone.register("*", expires="0")
    assert answer.status == 200
    assert answer.headers.get_all("Contact") == []
    assert phone.events[-1] == RegistrationChanged("101", 0)


def test_order_by_cseq(phone: Phone) -> None:
    phone.register(PHONE)
    phone.cseq -= 2  # the same CSeq again, in another transaction
    phone.endpoint.tick(100.0)
    phone.now = 100.0
    assert phone.register(PHONE, "<sip:101@new>").status == 500
    assert uris(phone) == ["sip:101@10.0.0.7:5060"]
    phone.cseq -= 2
    phone.tick(200.0)
    assert phone.register("*", expires="0").status == 500
    phone.cseq -= 2
    phone.tick(300.0)
    assert phone.register(PHONE, call_id="another").status == 200


@pytest.mark.parametrize(
    ("contact", "expires", "status"),
    [
        ("<sip:101@a>;expires=5", None, 423),
        ("<sip:101@a>", "29", 423),
        ("<sip:101@a>;q=7", "600", 400),
        ("<mailto:a@b>", "600", 400),
        ("<sip:101@a:99999>", "600", 400),
        (", ".join(f"<sip:101@h{n}>" for n in range(9)), "600", 403),
    ],
)
def test_what_cannot_be_bound(phone: Phone, contact: str, expires: str | None, status: int) -> None:
    phone.register(PHONE)
    phone.events.clear()
    answer = phone.register("<sip:101@good>", contact, expires=expires)
    assert answer.status == status
    if status == 423:
        assert answer.headers.get("Min-Expires") == "30"
    assert uris(phone) == ["sip:101@10.0.0.7:5060"]  # all or nothing
    assert phone.events == []


def test_too_long_is_shortened_and_malformed_is_the_default(phone: Phone) -> None:
    answer = phone.register("<sip:101@a>;expires=99999999", "<sip:101@b>;expires=soon")
    assert [v.split(";")[1] for v in answer.headers.get_all("Contact")] == ["expires=3600"] * 2


def test_the_oldest_contact_gives_way() -> None:
    us = endpoint("us", "198.51.100.1", limits=tight(contacts_per_address_max=2))
    phone = Phone(us, "203.0.113.5", 1024)
    for number in range(3):
        phone.tick(float(number))
        phone.register(f"<sip:101@h{number}>")
    assert uris(phone) == ["sip:101@h2", "sip:101@h1"]


def test_somebody_else_s_address(phone: Phone) -> None:
    assert phone.register(PHONE, to=f"<sip:102@{DOMAIN}>").status == 403
    assert phone.endpoint.contacts("102") == []


def test_an_unknown_extension_of_register(phone: Phone) -> None:
    answer = phone.authorised("REGISTER", ("Require", "gruu, path"), ("Contact", PHONE))
    assert (answer.status, answer.headers.get("Unsupported")) == (420, "gruu, path")


def test_keep_alives_of_a_registered_phone(phone: Phone) -> None:
    assert phone.endpoint.receive(b"\r\n\r\n", phone.flow, 0.0) == []
    phone.register(PHONE)
    answer = phone.ask("OPTIONS", call_id="keep")
    assert answer is not None
    assert answer.status == 200
    elsewhere = Phone(phone.endpoint, "203.0.113.5", 1025)
    answer = elsewhere.ask("OPTIONS", call_id="keep2")
    assert answer is not None
    assert answer.status == 401


def test_a_phone_at_a_trunk_s_address_is_an_agent() -> None:
    phone = Phone(endpoint("us", "198.51.100.1"), "192.0.2.66", 5062)
    phone.register(PHONE)
    answer = phone.ask("INVITE", call_id="call", body=b"offer", from_=f"{AOR};tag=q")
    assert answer is not None
    assert answer.status == 401
    phone.call(call_id="another")  # in the name of somebody behind the trunk
    assert phone.events[-1].trunk == "carrier"  # type: ignore[union-attr]
    caller = Peer(phone.endpoint, "192.0.2.66", 5080)
    caller.call()
    assert isinstance(caller.events[-1], Invited)


@pytest.mark.parametrize(
    ("uri", "left"),
    [
        ("sip:101@10.0.0.7:5060;transport=tcp", None),
        ("sip:101@203.0.113.5:5066;transport=tcp", Flow("tcp", "203.0.113.5", 5066, -1)),
    ],
)
def test_a_stream_that_closes(uri: str, left: Flow | None) -> None:
    phone = Phone(endpoint("us", "198.51.100.1"), "203.0.113.5", 50_000, connection=4)
    phone.register(f"<{uri}>")
    phone.take(phone.endpoint.stream_closed(3, phone.now))
    assert phone.endpoint.contacts("101")[0].flow == phone.flow
    phone.take(phone.endpoint.stream_closed(4, phone.now))
    assert [c.flow for c in phone.endpoint.contacts("101")] == ([left] if left else [])
    if left is None:
        assert phone.events[-1] == RegistrationChanged("101", 0)


def test_registrations_are_data(phone: Phone) -> None:
    phone.register(PHONE, "<sip:101@b>")
    other = endpoint("them", "198.51.100.1")
    other.registrar.restore(phone.endpoint.registrar.all())
    assert other.contacts("101") == phone.endpoint.contacts("101")
    told = other.tick(601.0)
    assert told == [RegistrationChanged("101", 0)]


def test_a_retransmitted_register_is_answered_alike(phone: Phone) -> None:
    phone.register(PHONE)
    request = Request(
        "REGISTER",
        f"sip:{DOMAIN}",
        [
            ("Via", "SIP/2.0/UDP 10.0.0.7;rport;branch=z9hG4bKsame"),
            ("Max-Forwards", "70"),
            ("From", f"{AOR};tag=p"),
            ("To", AOR),
            ("Call-ID", "reg"),
            ("CSeq", "9 REGISTER"),
        ],
    ).encode()
    first = phone.endpoint.receive(request, phone.flow, 0.0)
    assert [type(item) for item in first] == [Send]


def test_a_register_that_another_process_took_and_comes_again(phone: Phone) -> None:
    """Its answer was lost with that process: no reason to refuse it (RFC 3261 10.3, 7)."""
    phone.register(PHONE)
    bindings = list(phone.endpoint.registrar.all())
    phone.endpoint = endpoint("them", "198.51.100.1")
    phone.endpoint.registrar.restore(bindings)
    phone.cseq -= 2  # the one without credentials, the one with
    phone.tick(0.5)
    assert phone.register(PHONE).status == 200
    phone.cseq -= 2
    phone.tick(40)  # its transactions are over
    assert phone.register(PHONE).status == 500  # taken here once: nobody says it again


def test_streams_that_live_on_have_other_numbers() -> None:
    phone = Phone(endpoint("us", "198.51.100.1"), "203.0.113.5", 1024, connection=3)
    phone.register(PHONE)
    bindings = list(phone.endpoint.registrar.all())
    other = endpoint("them", "198.51.100.1")
    (kept,) = other.registrar.restore(bindings, {3: 8})
    assert kept.flow == Flow("tcp", "203.0.113.5", 1024, 8)
    assert endpoint("x", "198.51.100.1").registrar.restore(bindings, {4: 8}) == []
