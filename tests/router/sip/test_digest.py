"""Digest authentication: vectors of the RFCs, replays, stale nonces, both sides together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import MisuseError
from router.sip.digest import (
    ALGORITHMS,
    Nonces,
    answer_challenge,
    challenges,
    ha1,
    parse_credentials,
    response_digest,
    username,
    verify,
)
from router.sip.message import ParseError

REALM, URI = "offhook.local", "sip:offhook.local"
SECRETS = {name: ha1("100", REALM, "s3cret", name) for name in ALGORITHMS}


def nonces(**options: float) -> Nonces:
    return Nonces(b"k" * 16, options.get("lifetime_s", 300.0), int(options.get("used_max", 100)))


def answer(made: str, nc: int = 1, *, only: str = "", password: str = "s3cret") -> str:
    offered = [value for value in challenges(REALM, made) if only in value]
    return answer_challenge(offered, "REGISTER", URI, "100", password, nc, "c0ffee")


def check(value: str, guard: Nonces, now: float, uri: str = URI) -> str:
    return verify(value, "REGISTER", uri, SECRETS, guard, now)


def test_vectors_of_rfc_7616() -> None:
    """RFC 7616 3.9.1: MD5 and SHA-256 of the same request."""
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    counted = "00000001:f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ:auth"
    for algorithm, expected in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        secret = ha1("Mufasa", "http-auth@example.org", "Circle of Life", algorithm)
        found = response_digest(algorithm, secret, "GET", "/dir/index.html", nonce, counted)
        assert found == expected


def test_the_old_form_of_rfc_2617() -> None:
    secret = ha1("Mufasa", "testrealm@host.com", "Circle Of Life")
    assert secret == "939e7578ed9e3c518a452acee763bce9"
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    plain = response_digest("MD5", secret, "GET", "/dir/index.html", nonce)
    assert plain == "670fd8c2df070c60b045671b8b24ff02"
    with pytest.raises(MisuseError):
        ha1("a", "b", "c", "SHA-1")


@pytest.mark.parametrize("only", ["", "SHA-256", "MD5"])
def test_both_sides_agree(only: str) -> None:
    guard = nonces()
    value = answer(guard.make(10.0, "a"), only=only)
    assert f"algorithm={only or 'SHA-256'}" in value
    assert username(value, REALM) == "100"
    assert username(value, "elsewhere") is None
    assert check(value, guard, 11.0) == "ok"


def test_wrong_answers_are_bad() -> None:
    guard = nonces()
    made = guard.make(10.0, "a")
    good = answer(made)
    for value in (
        answer(made, password="wrong"),
        good.replace("sip:offhook.local", "sip:other"),
        good.replace("qop=auth", "qop=auth-int"),
        good.replace("nc=00000001", "nc=1"),
        good.replace("nc=00000001", "nc=00000000"),
        good.replace("SHA-256", "SHA-512-256"),
        good.replace("Digest", "Basic"),
        good.replace("cnonce", "other"),
        good + ', nc="2"',
        "Digest",
        "",
        "Digest \x00,,=,",
    ):
        assert check(value, guard, 11.0) == "bad", value
    # and none of them used up the count
    assert check(good, guard, 11.0) == "ok"


@pytest.mark.parametrize(
    ("method", "claimed", "verdict"),
    [
        ("REGISTER", "sip:192.0.2.1;transport=UDP", "ok"),
        ("REGISTER", "sip:192.0.2.2", "bad"),
        ("REGISTER", "sips:192.0.2.1", "bad"),
        ("INVITE", "sip:192.0.2.1;transport=UDP", "bad"),
    ],
)
def test_a_register_names_its_domain_in_any_form(method: str, claimed: str, verdict: str) -> None:
    guard = nonces()
    offered = [value for value in challenges(REALM, guard.make(0.0, "salt")) if "MD5" in value]
    value = answer_challenge(offered, method, claimed, "100", "s3cret", 1, "c0ffee")
    assert verify(value, method, "sip:192.0.2.1", SECRETS, guard, 1.0) == verdict


def test_the_method_and_the_uri_count() -> None:
    guard = nonces()
    made = guard.make(10.0)
    assert verify(answer(made), "INVITE", URI, SECRETS, guard, 11.0) == "bad"
    assert check(answer(made), guard, 11.0, "sip:elsewhere") == "bad"
    assert check(answer(made), guard, 11.0, "sip:OFFHOOK.local") == "ok"  # 19.1.4


def test_a_count_is_taken_once() -> None:
    guard = nonces()
    made = guard.make(10.0)
    assert check(answer(made, 1), guard, 11.0) == "ok"
    assert check(answer(made, 1), guard, 11.0) == "stale"
    assert check(answer(made, 3), guard, 11.0) == "ok"
    assert check(answer(made, 2), guard, 11.0) == "ok"  # overtaken on the way
    assert check(answer(made, 2), guard, 11.0) == "stale"
    assert check(answer(made, 500), guard, 11.0) == "ok"
    assert check(answer(made, 4), guard, 11.0) == "stale"  # too far back to remember


def test_age_and_secret() -> None:
    guard = nonces(lifetime_s=60.0)
    made = guard.make(10.0)
    assert guard.check(made, 70.0) == "ok"
    assert guard.check(made, 71.0) == "stale"
    assert check(answer(made), guard, 71.0) == "stale"
    assert guard.check(made + "0", 11.0) == "bad"
    assert guard.check("ff" + made, 11.0) == "bad"
    assert guard.check("", 11.0) == "bad"
    assert guard.check("é", 11.0) == "bad"
    stranger = Nonces(b"x" * 16, 60.0)
    assert stranger.check(made, 11.0) == "bad"
    # the right password with a nonce from before our restart: try again, no new password
    assert check(answer(made), stranger, 11.0) == "stale"
    assert guard.make(10.0, "a") != guard.make(10.0, "b")
    with pytest.raises(MisuseError):
        Nonces(b"short", 60.0)


def test_clients_without_qop() -> None:
    """Accepted with MD5 only, and each nonce once."""
    guard = nonces()
    made = guard.make(10.0)
    old = f'Digest realm="{REALM}", nonce="{made}"'
    value = answer_challenge([old], "REGISTER", URI, "100", "s3cret", 1, "c")
    assert "qop" not in value
    assert check(value, guard, 11.0) == "ok"
    assert check(value, guard, 11.0) == "stale"
    value = answer_challenge(
        [old + ", algorithm=SHA-256"], "REGISTER", URI, "100", "s3cret", 1, "c"
    )
    assert check(value, guard, 11.0) == "bad"


def test_the_memory_is_bounded_and_forgetting_lets_no_replay_in() -> None:
    guard = nonces(used_max=10)
    values = [answer(guard.make(float(at))) for at in range(30)]
    for value in values:
        assert check(value, guard, 30.0) == "ok"
    assert len(guard._used) <= 10
    for value in values:
        assert check(value, guard, 30.0) == "stale"
    aged = nonces(lifetime_s=5.0)
    assert check(answer(aged.make(1.0)), aged, 2.0) == "ok"
    assert check(answer(aged.make(10.0)), aged, 11.0) == "ok"
    assert len(aged._used) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 90)), max_size=60))
def test_no_count_is_ever_accepted_twice(uses: list[tuple[int, int]]) -> None:
    guard = nonces(used_max=3)
    made = [guard.make(float(number)) for number in range(6)]
    accepted: set[tuple[int, int]] = set()
    for number, count in uses:
        if guard.use(made[number], count, 10.0) == "ok":
            assert (number, count) not in accepted
            accepted.add((number, count))


def test_challenges() -> None:
    strong, weak = challenges('a"b', "n", stale=True)
    assert strong == 'Digest realm="a\\"b", nonce="n", algorithm=SHA-256, qop="auth", stale=true'
    assert "algorithm=MD5" in weak
    assert parse_credentials(strong)["realm"] == 'a"b'
    assert "stale" not in challenges("a", "n")[0]


def test_answering_picks_what_can_be_answered() -> None:
    odd = [
        'Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth"',
        'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth-int"',
        'Basic realm="r"',
        'Digest nonce="n"',
    ]
    with pytest.raises(ParseError):
        answer_challenge(odd, "INVITE", URI, "u", "p", 1, "c")
    value = answer_challenge(
        [*odd, 'Digest realm="r", nonce="n", qop="auth-int,auth", opaque="o\\"p"'],
        "INVITE", URI, "u", "p", 2, "c",
    )  # fmt: skip
    found = parse_credentials(value)
    assert found["opaque"] == 'o"p'
    assert found["nc"] == "00000002"
    assert "algorithm" not in found
    secrets = {"MD5": ha1("u", "r", "p")}
    both = challenges("r", "n")
    value = answer_challenge(both, "INVITE", URI, "u", secrets, 1, "c")
    assert parse_credentials(value)["algorithm"] == "MD5"


@given(st.text())
def test_credentials_raise_parse_errors_only(text: str) -> None:
    guard = nonces()
    assert verify("Digest " + text, "REGISTER", URI, SECRETS, guard, 1.0) == "bad"
    assert guard.check(text, 1.0) == "bad"
