"""What we do with each message of RFC 4475 and RFC 5118: one table for parser, core and wire.

``parse``: 0 when the parser takes it, else the status of its ParseError.
``uas``: what an answering user agent may do with it over UDP, coming from a trunk's address.
A number is the final status that it answers; "call" stands for a call being set up (100, then
as the call goes), "ignored" for no answer at all (responses without a transaction, requests
without a usable Via).
``tcp``: what differs on a stream. "same"; "waits" for a message that never becomes complete;
a number when the frame is lost: this answer, then the connection is closed. "two, then lost":
on a stream the bytes beyond are a message of their own (whose Content-Length is one short, so
that what follows it is none): both are answered, then the connection is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parents[2] / "data"


@dataclass(frozen=True)
class TortureVerdict:
    folder: str
    name: str
    parse: int
    uas: tuple[int | str, ...]
    why: str
    tcp: int | str = "same"

    @property
    def data(self) -> bytes:
        return (DATA / self.folder / f"{self.name}.dat").read_bytes()

    @property
    def id(self) -> str:
        return f"{self.folder}-{self.name}"


def _table(folder: str, *rows: tuple[object, ...]) -> tuple[TortureVerdict, ...]:
    return tuple(TortureVerdict(folder, *row) for row in rows)  # type: ignore[arg-type]


CALL = ("call",)
IGNORED = ("ignored",)
# a REGISTER is challenged, or refused where its URIs are not ours
REGISTER = (401, 403, 404)

RFC4475 = _table(
    "rfc4475",
    # 3.1.1 valid messages
    ("wsinv", 0, (481,), "3.1.1.1 folding and white space everywhere; its To has a tag"),
    ("intmeth", 0, (405, 501), "3.1.1.2 every character a token and a user part may hold"),
    ("esc01", 0, CALL, "3.1.1.3 escapes in URIs"),
    ("escnull", 0, REGISTER, "3.1.1.4 an escaped NUL stays escaped"),
    ("esc02", 0, (405, 501), "3.1.1.5 % is no escape in a method, a name, a display name"),
    ("lwsdisp", 0, (200,), "3.1.1.6 no white space between display name and <"),
    ("longreq", 0, CALL, "3.1.1.7 long values; Via spelled in many ways"),
    ("dblreq", 0, REGISTER, "3.1.1.8 bytes beyond Content-Length", "two, then lost"),
    ("semiuri", 0, (200,), "3.1.1.9 a semicolon in the user part"),
    ("transports", 0, (200,), "3.1.1.10 Via with transports known and unknown"),
    ("mpart01", 0, (405, 501), "3.1.1.11 a binary multipart body"),
    ("unreason", 0, IGNORED, "3.1.1.12 UTF-8 in the reason phrase; no transaction for it"),
    ("noreason", 0, IGNORED, "3.1.1.13 an empty reason phrase"),
    # 3.1.2 invalid messages
    ("badinv01", 400, (400, "ignored"), "3.1.2.1 empty parameters; its Via cannot be used"),
    ("clerr", 400, (400,), "3.1.2.2 Content-Length beyond the datagram", "waits"),
    ("ncl", 400, (400,), "3.1.2.3 negative Content-Length", 400),
    ("scalar02", 400, (400,), "3.1.2.4 CSeq and Max-Forwards out of range"),
    ("scalarlg", 400, IGNORED, "3.1.2.5 a response with a CSeq out of range"),
    ("quotbal", 400, (400,), "3.1.2.6 a quoted string is not closed"),
    ("ltgtruri", 400, (400,), "3.1.2.7 angle brackets around the Request-URI"),
    ("lwsruri", 400, (400,), "3.1.2.8 white space in the Request-URI"),
    ("lwsstart", 400, (400,), "3.1.2.9 more than one space in the request line"),
    ("trws", 400, (400,), "3.1.2.10 white space after the request line"),
    ("escruri", 400, (400,), "3.1.2.11 headers in the Request-URI"),
    ("baddate", 0, CALL, "3.1.2.12 a Date that is not GMT; we do not use Date"),
    ("regbadct", 0, (400, 401, 403, 404), "3.1.2.13 a Contact with ? outside <>; read lazily"),
    ("badaspec", 400, (400,), "3.1.2.14 spaces within an addr-spec"),
    ("baddn", 400, (400,), "3.1.2.15 no quotes around a comma; the empty line is missing", "waits"),
    ("badvers", 505, (505,), "3.1.2.16 SIP/7.0"),
    ("mismatch01", 400, (400,), "3.1.2.17 the method of CSeq is another"),
    ("mismatch02", 400, (400, 501), "3.1.2.18 the same, with an unknown method"),
    ("bigcode", 400, IGNORED, "3.1.2.19 a status with too many digits"),
    # 3.2 transaction layer
    ("badbranch", 0, (200,), "3.2.1 a branch that is the cookie alone"),
    # 3.3 application layer
    ("insuf", 400, (400,), "3.3.1 required headers are missing"),
    ("unkscm", 416, (416,), "3.3.2 an unknown scheme in the Request-URI"),
    ("novelsc", 416, (416,), "3.3.3 a known scheme that is not for calls"),
    ("unksm2", 0, (400, 401, 403, 404, 416), "3.3.4 unknown schemes in To, From and Contact"),
    ("bext01", 0, (420,), "3.3.5 Require of what nobody supports"),
    ("invut", 0, (415, 488, "call"), "3.3.6 a body of an unknown type"),
    ("regaut01", 0, REGISTER, "3.3.7 an unknown authentication scheme"),
    ("multi01", 400, (400,), "3.3.8 From, To, Call-ID, CSeq twice"),
    ("mcl01", 400, (400,), "3.3.9 Content-Length twice", 400),
    ("bcast", 0, IGNORED, "3.3.10 a 200 with a broadcast Via; no transaction for it"),
    ("zeromf", 0, (200, 483), "3.3.11 Max-Forwards 0 ends here, and here is its target"),
    ("cparam01", 0, REGISTER, "3.3.12 an unknown parameter of Contact"),
    ("cparam02", 0, REGISTER, "3.3.13 an unknown parameter of a URI"),
    ("regescrt", 0, REGISTER, "3.3.14 an escaped header in a registered URI"),
    ("sdp01", 0, (406, "call"), "3.3.15 Accept without application/sdp"),
    # 3.4 backward compatibility
    ("inv2543", 0, (400, "call"), "3.4.1 RFC 2543: no branch, no From tag, no Contact", 400),
)

RFC5118 = _table(
    "rfc5118",
    ("ipv6-good", 0, REGISTER, "4.1 IPv6 references in Via, Contact and Request-URI"),
    ("ipv6-bad", 400, (400,), "4.2 an IPv6 address without brackets in the Request-URI"),
    ("port-ambiguous", 0, REGISTER, "4.3 5070 is a part of the address"),
    ("port-unambiguous", 0, REGISTER, "4.4 5070 is the port"),
    ("via-received-param-with-delim", 0, (481,), "4.5 received with brackets"),
    ("via-received-param-no-delim", 0, (200,), "4.5 received without brackets"),
    ("ipv6-in-sdp", 0, CALL, "4.6 IPv6 in the session description"),
    ("mult-ip-in-header", 0, (481,), "4.7 IPv4 and IPv6 in the Via headers"),
    ("mult-ip-in-sdp", 0, CALL, "4.8 IPv4 and IPv6 in the session description"),
    ("ipv4-mapped-ipv6", 0, CALL, "4.9 IPv4-mapped IPv6 addresses"),
    ("ipv6-bug-abnf-3-colons", 0, (200,), "4.10 three colons are read as two"),
    ("ipv6-correct-abnf-2-colons", 0, (200,), "4.10 two colons"),
)

VERDICTS = RFC4475 + RFC5118
