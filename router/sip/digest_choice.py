"""Which digest algorithms to offer to whom: not every phone survives what it does not know. Pure.

RFC 8760 2.3 wants one challenge an algorithm, strongest first. Stacks older than it read only
the first, or give up at any algorithm that they do not know. They can be told by their
User-Agent alone, and only before they give up. Nothing is lost: a user's secret is held for
both, and who could forge the header could also strip the stronger challenge.
"""

from __future__ import annotations

import re

from router.sip.digest import ALGORITHMS

# baresip before 3.12 (libre before 3.12 refuses a response with any challenge but MD5,
# baresip/baresip#3006), pyVoIP 1.x (knows MD5 only), SIPp before 3.7, FreeSWITCH and Asterisk
# as clients (take the first challenge, sipsorcery-org/sipsorcery#525).
_MD5_ONLY = re.compile(
    r"baresip v?([0-2]\.|3\.\d\.|3\.1[01]\.)|pyvoip/? ?[01]\.|sipp\b|freeswitch|asterisk",
    re.IGNORECASE,
)


def algorithms_for(user_agent: str | None) -> tuple[str, ...]:
    """In the order to offer. Without a name it is rather a small stack: MD5 goes first."""
    if not user_agent:
        return ("MD5", "SHA-256")
    return ("MD5",) if _MD5_ONLY.match(user_agent) else ALGORITHMS
