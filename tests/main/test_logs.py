"""No telephone number reaches a log line whole."""

from __future__ import annotations

import logging

import pytest

from main.logs import MaskingFormatter, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call from +37120000001", "call from **********01"),
        ("from +37120000001.", "from **********01."),
        ("from +37120000001, to 37167000000;", "from **********01, to *********00;"),
        ("sip:+37120000001@192.0.2.1:5060", "sip:**********01@192.0.2.1:5060"),
        ("sip:37120000001@192.0.2.1", "sip:*********01@192.0.2.1"),
        ("tel:+371-20000001", "tel:+371-******01"),
        ("caller='+37120000001'", "caller='**********01'"),
        ("dial 67000000", "dial ******00"),
        ("(2000000)", "(*****00)"),
        ("+37120000001\n+37120000002", "**********01\n**********02"),
        ("trunk:out:+37255500000", "trunk:out:**********00"),
    ],
)
def test_numbers_are_masked_but_for_two_digits(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "call 19bd3f6c400a1b2c3 ended",
        "leg 19bd3f6c400a1b2c3.2 at 192.168.100.200:5060",
        "refused 486, extension 101, pid 123456",
        "2026-11-21T12:00:00Z",
        "/var/lib/1234567/recordings",
        "[2001:db8::1234]:5060",
        "took 0.12345678 s",
        "cost 12.3456789",
        "rx0012345678ab",
    ],
)
def test_what_is_no_number_stays(text: str) -> None:
    assert mask(text) == text


def test_a_line_is_masked_with_its_arguments_and_its_traceback() -> None:
    formatter = MaskingFormatter("%(asctime)sZ %(name)s: %(levelname)s: %(message)s")
    try:
        raise ValueError("no route to +37120000001")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord(
        "engine", logging.INFO, __file__, 1, "from %s", ("+37120000002",), info
    )
    record.created = 1_795_262_400.0
    line = formatter.format(record)
    assert line.startswith("2026-11-21T12:00:00Z engine: INFO: from **********02\n")
    assert "3712000" not in line
    assert "no route to **********01" in line
