"""When a message is sent to an endpoint, and what an answer makes of it. Pure.

Each message has a backoff of its own. Beside it the endpoint as a whole is given a pause when it
looks away (no answer, 5xx, 429, our credentials refused); then one message alone goes first, to
see. A single message that is refused (another 4xx) holds up nobody else's. Failures never end
anything but by age.
"""

from __future__ import annotations

from collections.abc import Sequence

from config.values import value
from tickets.webhooks import message_id

WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given-up"
STATES = (WAITING, DELIVERED, GIVEN_UP)

GONE = 410
# The endpoint takes nothing at present, whatever the message: not let in, not there, too much.
AWAY_STATUSES = frozenset({401, 403, 404, 407, 408, 425, 429})
REFUSED_MAX = 10  # refusals in a row that look like an endpoint away
RETRY_AFTER_S_MAX = 86_400.0
DOUBLINGS_MAX = 30


@value(frozen=True, slots=True)
class Pace:
    """Of ``config.webhooks.Webhooks``: the first and the longest pause; the age at which a message
    is given up; how many are on their way at once."""

    retry_first_s: float = 5.0
    retry_max_s: float = 600.0
    give_up_s: float = 259_200.0
    in_flight_max: int = 8


@value(frozen=True, slots=True)
class Message:
    """A row of the outbox. ``since``: from when its age counts; ``attempts``: those made."""

    endpoint: str
    seq: int
    place: int
    kind: str
    call: str
    at: float
    since: float
    due_at: float
    attempts: int
    body: str

    @property
    def id(self) -> str:
        return message_id(self.call, self.seq, self.kind)


@value(frozen=True, slots=True)
class Answer:
    """Of one attempt. ``status`` 0: there was none, and ``why`` says so in a few words."""

    status: int
    why: str = ""
    retry_after_s: float = 0.0

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def away(self) -> bool:
        """Whether another message would fare no better."""
        return self.status == 0 or self.status >= 500 or self.status in AWAY_STATUSES


@value(frozen=True, slots=True)
class Settled:
    """What a row becomes."""

    message: Message
    state: str
    due_at: float
    status: int
    why: str


def backoff(failures: int, pace: Pace, draw: float) -> float:
    """Seconds to the next attempt after so many failures; ``draw`` (0..1) spreads them between
    half and the whole."""
    whole = pace.retry_first_s * 2.0 ** min(max(failures - 1, 0), DOUBLINGS_MAX)
    return min(whole, pace.retry_max_s) * (0.5 + 0.5 * draw)


class Lane:
    """One endpoint as far as it is known since the start. ``gone``: it answered 410, so nothing
    is sent until ``resume``; ``problem``: how the last failure reads, "" while it works."""

    def __init__(self, pace: Pace) -> None:
        self.gone = False
        self.problem = ""
        self.quiet_until = 0.0
        self._pace = pace
        self._sure = False  # a message was taken, and nothing speaks against another since
        self._failures = 0  # rounds, since a message was taken
        self._refused = 0

    def room(self, now: float) -> int:
        """How many messages may be sent now."""
        if self.gone or now < self.quiet_until:
            return 0
        return self._pace.in_flight_max if self._sure else 1

    def resume(self) -> None:
        """Somebody says that it works again: see at once."""
        self.gone, self.quiet_until, self._failures, self._sure = False, 0.0, 0, False

    def settle(
        self, sent: Sequence[tuple[Message, Answer]], now: float, draw: float
    ) -> list[Settled]:
        """Take the answers of one round; what its rows become."""
        answers = [answer for _, answer in sent]
        if any(answer.taken for answer in answers):
            self._sure, self.problem = True, ""
            self._failures = self._refused = 0
        for answer in answers:
            if not answer.taken:
                self.problem = reason(answer)
                self._refused += not answer.away
        self.gone = self.gone or any(answer.status == GONE for answer in answers)
        away = [answer for answer in answers if answer.away]
        if away or self._refused >= REFUSED_MAX:
            self._sure = False
            self._failures += 1
            asked = max((_asked(answer) for answer in away), default=0.0)
            self.quiet_until = now + max(backoff(self._failures, self._pace, draw), asked)
        return [self._settled(message, answer, now, draw) for message, answer in sent]

    def _settled(self, message: Message, answer: Answer, now: float, draw: float) -> Settled:
        if answer.taken:
            return Settled(message, DELIVERED, now, answer.status, "")
        last = message.since + self._pace.give_up_s
        why = reason(answer)
        if now >= last:
            return Settled(message, GIVEN_UP, now, answer.status, why)
        pause_s = max(backoff(message.attempts + 1, self._pace, draw), _asked(answer))
        return Settled(message, WAITING, min(now + pause_s, last), answer.status, why)


def reason(answer: Answer) -> str:
    """Of a failure, in words that name nobody."""
    return answer.why or f"status {answer.status}"


def _asked(answer: Answer) -> float:
    return min(max(answer.retry_after_s, 0.0), RETRY_AFTER_S_MAX)
