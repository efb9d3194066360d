"""Legs: performs what a call wants of its parties, on the SIP endpoint and the media workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Protocol

from config.errors import PeerError
from engine.leg_io import LegIo, far_host, home_of, quality
from engine.phone import Phone
from engine.tasks import Tasks
from engine.turns import Turns, register
from engine.workers import Workers
from router import effects as do
from router import inputs as on
from router.call import Call
from router.media import protocol as media
from router.media.client import WorkerClient
from router.sip import sdp
from router.sip.target import Credentials, Target

log = logging.getLogger(__name__)


class Places(Protocol):
    """Where things are: our own addresses, and what a dial target means."""

    def media_host(self, peer_host: str) -> str: ...

    def codecs(self, call: Call) -> tuple[str, ...]: ...

    def target(self, leg_agent: str, text: str) -> tuple[Target, Credentials | None, str]: ...


def session_id(leg: str) -> int:
    """Of our session descriptions (RFC 8866 5.2): the same in every engine that says them."""
    return int.from_bytes(blake2b(leg.encode(), digest_size=7).digest())


class Legs:
    """All legs of this engine, by id."""

    def __init__(
        self, turns: Turns, phone: Phone, workers: Workers, places: Places, timeout_s: float
    ) -> None:
        self.by_id: dict[str, LegIo] = {}
        self.owed: set[str] = set()  # to be dialled by this engine, perhaps again
        self._turns = turns
        self._phone = phone
        self._workers = workers
        self._places = places
        self._timeout_s = timeout_s
        self._tasks = Tasks("legs")
        turns.early[do.Dial] = self._prepare
        register(
            turns.outer,
            {
                do.PickUp: self._pick_up,
                do.Dial: self._dial,
                do.Drop: self._drop,
                do.Join: self._join,
                do.SendKey: self._send_key,
                do.Probe: self._probe,
                do.TransferFate: self._transfer_fate,
            },
        )

    async def close(self) -> None:
        await self._tasks.close()

    def is_ours(self, session: str) -> bool:
        """A media session: of a leg, or of one that a dead engine may have dialled already. The
        phone has that one's INVITE, so the port it names must stay."""
        return session in self.by_id or session in self.owed

    # --- coming in ---------------------------------------------------------------------------

    def incoming(self, leg: str, call: str, body: bytes, peer_host: str) -> LegIo | None:
        """Note an INVITE that became a call; None where no worker can take its media."""
        worker = home_of(self._workers, call)
        if worker is None:
            return None
        io = LegIo(leg, call, worker, True, peer_host, body)
        io.ipv6 = ":" in far_host(io)
        self.by_id[leg] = io
        return io

    def _pick_up(self, call: Call, effect: do.PickUp) -> None:
        io = self.by_id.get(effect.leg)
        if io is None:
            return
        if io.local_body:  # by an engine that died: the same answer again
            self._phone.answer(io.id, io.local_body)
            if call.legs[io.id].state != "up":
                self._turns.feed(call.id, on.LegUp(io.id))
            return
        io.internal = call.internal
        self._open(io, call, effect, self._answer)

    def _answer(self, io: LegIo) -> None:
        assert io.local is not None
        if io.remote_body:
            try:
                self._agree(io, sdp.answer(io.remote_body, io.local))
            except PeerError as error:
                log.info("leg %s: session description refused: %s", io.id, error)
                self._phone.reject(io.id, 488)
                self._gone(io, "failed", "no common codec")
                return
            assert io.agreed is not None
            io.local_body = io.agreed.body
        else:
            io.local_body = sdp.make_offer(io.local)
        self._phone.answer(io.id, io.local_body)
        self._turns.feed(io.call, on.LegUp(io.id))

    def confirmed(self, leg: str, body: bytes) -> None:
        """The ACK; it carries the answer where we made the offer (RFC 3264 4)."""
        io = self.by_id.get(leg)
        if io is None or io.local is None or (not body and io.agreed is not None):
            return
        try:
            agreed = sdp.read_answer(body, io.local)
        except PeerError as error:
            log.info("leg %s: answer refused: %s", leg, error)
            self._phone.hang_up(leg, 488, "no common codec")
            self._gone(io, "failed", "no common codec")
            return
        self._agree(io, agreed)
        self._tell_hold(io, agreed.held)

    # --- going out ---------------------------------------------------------------------------

    def _prepare(self, call: Call, effect: do.Dial) -> None:
        """A media session shows to nobody: it is opened while the offer is being written."""
        worker = home_of(self._workers, call.id)
        if worker is None or effect.hops < 1 or effect.leg in self.by_id:
            return
        try:
            target, _, _ = self._places.target(call.legs[effect.leg].agent, effect.target)
        except PeerError:
            return
        io = self._leg_out(call, effect.leg, worker, target)
        self._open(io, call, effect, lambda io: io.invite())

    def _leg_out(self, call: Call, leg: str, worker: WorkerClient, target: Target) -> LegIo:
        io = LegIo(leg, call.id, worker, False, target.flow.host, target=target)
        io.ipv6 = ":" in target.flow.host
        io.internal = call.internal
        self.by_id[io.id] = io
        return io

    def _dial(self, call: Call, effect: do.Dial) -> None:
        self.owed.discard(effect.leg)
        leg = call.legs.get(effect.leg)
        if leg is None or leg.state == "gone":  # withdrawn, or no media for it, while we wrote
            return
        if effect.hops < 1:  # RFC 3261 16.3, for a B2BUA too (RFC 7332): a loop ends here
            self._turns.feed(call.id, on.LegGone(effect.leg, "unreachable", "too many hops"))
            return
        worker = home_of(self._workers, call.id)
        try:
            target, credentials, caller = self._places.target(leg.agent, effect.target)
        except PeerError as error:
            log.warning("leg %s: cannot dial: %s", effect.leg, error)
            self._not_dialled(call, on.LegGone(effect.leg, "unreachable", str(error)))
            return
        if worker is None:
            self._turns.feed(call.id, on.LegGone(effect.leg, "failed", "no media worker"))
            return
        io = self.by_id.get(effect.leg) or self._leg_out(call, effect.leg, worker, target)

        def invite() -> None:
            assert io.local is not None
            io.local_body = io.local_body or sdp.make_offer(io.local)
            self._phone.invite(
                io.id,
                target,
                io.local_body,
                caller=caller or effect.caller,
                caller_name=effect.caller_name,
                credentials=credentials,
                max_forwards=effect.hops - 1,
            )

        io.invite = invite
        if io.local is not None:  # also of an engine that died: the same INVITE again
            invite()
        elif io.doing is None:
            self._open(io, call, effect, lambda io: io.invite())

    def _not_dialled(self, call: Call, why: on.LegGone) -> None:
        io = self.by_id.get(why.leg)  # its media may have been opened
        if io is not None:
            self._over(io, why)
        else:
            self._turns.feed(call.id, why)

    def progressed(self, leg: str, status: int, body: bytes) -> None:
        io = self.by_id.get(leg)
        if io is None or io.leaving:
            return
        early = self._take_answer(io, body) if body else False
        if status >= 180:
            self._turns.feed(io.call, on.LegRinging(leg, early))

    def answered(self, leg: str, body: bytes) -> None:
        io = self.by_id.get(leg)
        if io is None or io.leaving:
            return
        if (not body and io.agreed is None) or (body and not self._take_answer(io, body)):
            self._phone.hang_up(leg, 488, "no common codec")
            self._gone(io, "failed", "no common codec")
            return
        self._turns.feed(io.call, on.LegUp(leg))

    def _take_answer(self, io: LegIo, body: bytes) -> bool:
        if io.local is None:
            return False
        try:
            self._agree(io, sdp.read_answer(body, io.local))
        except PeerError as error:
            log.info("leg %s: answer refused: %s", io.id, error)
            return False
        return True

    # --- the end -----------------------------------------------------------------------------

    def refused(self, leg: str, cause: on.Cause, detail: str) -> None:
        io = self.by_id.get(leg)
        if io is not None:
            self._gone(io, cause, detail)

    def redirected(self, leg: str, target: str) -> None:
        """The phone sent the call on: to a dial target, or "" where it may not."""
        io = self.by_id.get(leg)
        if io is not None:
            self._over(io, on.LegRedirected(leg, target))

    def _gone(self, io: LegIo, cause: on.Cause, detail: str) -> None:
        """The far end is gone (or never came)."""
        self._over(io, on.LegGone(io.id, cause, detail))

    def _over(self, io: LegIo, how: on.LegGone | on.LegRedirected) -> None:
        """Close the leg's media, tell its call unless we left."""
        self._close_media(io)
        self.by_id.pop(io.id, None)
        if not io.leaving:
            self._turns.feed(io.call, how)

    def _drop(self, call: Call, effect: do.Drop) -> None:
        io = self.by_id.get(effect.leg)
        if io is None:
            return
        io.leaving = True
        self._close_media(io)
        self._phone.hang_up(io.id, effect.status or 480, effect.reason)
        self.by_id.pop(io.id, None)

    def _close_media(self, io: LegIo) -> None:
        if io.media_closed:
            return
        io.media_closed = True
        if io.port:
            self.ask(io, media.Close(io.id), lambda answer: self._closed(io, answer))

    def _closed(self, io: LegIo, answer: media.Answer) -> None:
        if not isinstance(answer, media.Closed) or io.internal:
            return
        self._turns.fact(io.call, quality(io.id, answer.figures))

    # --- media -------------------------------------------------------------------------------

    def _open(
        self, io: LegIo, call: Call, doing: do.PickUp | do.Dial, then: Callable[[LegIo], None]
    ) -> None:
        asked = io.worker

        def opened(answer: media.Answer) -> None:
            io.doing = None
            if not isinstance(answer, media.Opened):
                if not asked.connected and not io.leaving and io.id in self.by_id:
                    io.doing, io.again = doing, lambda: self._open(io, call, doing, then)
                    if io.worker is not asked:
                        io.ask_again()
                    return  # else there will be another in a moment (engine.rebuild)
                reason = answer.reason if isinstance(answer, media.Refused) else "worker lost"
                log.error("leg %s: no media: %s", io.id, reason)
                if io.incoming and not io.leaving:
                    self._phone.reject(io.id, 503)
                self._gone(io, "failed", reason)
                return
            io.port = answer.port
            if io.leaving or io.id not in self.by_id:
                io.media_closed = False
                self._close_media(io)
                return
            host = self._places.media_host(far_host(io))
            io.local = sdp.LocalMedia(
                host=host,
                port=io.port,
                session_id=session_id(io.id),
                version=1,
                codecs=self._places.codecs(call),
                direction="sendrecv",
            )
            then(io)

        io.doing = doing
        command = media.Open(io.id, ipv6=io.ipv6, timeout_s=self._timeout_s)
        self.ask(io, command, opened)

    def ask(self, io: LegIo, command: media.Command, then: Callable[[media.Answer], None]) -> None:
        """The answer is taken on the call's behalf: what goes wrong with it costs this call."""
        self._workers.ask(
            io.worker, command, lambda answer: self._turns.on_behalf(io.call, lambda: then(answer))
        )

    def _agree(self, io: LegIo, agreed: sdp.Negotiated) -> None:
        """The session descriptions fit: tell the worker where, what and which way."""
        io.agreed = agreed
        sources = {io.peer_host}
        if agreed.remote is not None:
            sources.add(agreed.remote[0])
        io.far_end = media.Update(
            io.id,
            agreed.remote,
            tuple(sorted(sources)),
            agreed.payload_type,
            agreed.digits_type,
            agreed.direction,
        )
        self._workers.send(io.worker, io.far_end)

    def _join(self, call: Call, effect: do.Join) -> None:
        left, right = self.by_id.get(effect.left), self.by_id.get(effect.right)
        if left is None or right is None or left.media_over or right.media_over:
            return
        bridge = media.Bridge(left.id, right.id, self._workers.music(call.id))
        left.ear = right.ear = bridge
        self._workers.send(left.worker, bridge)

    # --- changes in a dialog -----------------------------------------------------------------

    def change_asked(self, leg: str, body: bytes) -> None:
        """Hold, resume, a moved address: re-INVITE or UPDATE (RFC 3264 8)."""
        io = self.by_id.get(leg)
        if io is None or io.leaving or io.local is None:
            self._phone.reject_change(leg, 481)
            return
        local = replace(io.local, version=io.local.version + 1)
        if not body:
            io.local, io.local_body = local, sdp.make_offer(local)
            self._phone.accept_change(leg, io.local_body)
            return
        try:
            agreed = sdp.answer(body, local)
        except PeerError as error:
            log.info("leg %s: change refused: %s", leg, error)
            self._phone.reject_change(leg, 488)
            return
        io.local, io.local_body = local, agreed.body
        self._phone.accept_change(leg, agreed.body)
        self._agree(io, agreed)
        self._tell_hold(io, agreed.held)

    def _tell_hold(self, io: LegIo, held: bool) -> None:
        if held == io.held:
            return
        io.held = held
        self._turns.feed(io.call, on.LegHeld(io.id) if held else on.LegResumed(io.id))

    def change_answered(self, leg: str, body: bytes) -> None:
        io = self.by_id.get(leg)
        if io is not None and body and self._take_answer(io, body) and io.agreed is not None:
            self._tell_hold(io, io.agreed.held)

    def _send_key(self, call: Call, effect: do.SendKey) -> None:
        io = self.by_id.get(effect.leg)
        if io is not None and not io.media_over:
            self._workers.send(
                io.worker, media.SendDigits(io.id, f"{io.id}.k{effect.number}", effect.key)
            )

    def _probe(self, call: Call, effect: do.Probe) -> None:
        io = self.by_id.get(effect.leg)
        if io is not None and io.local_body:
            self._phone.change(io.id, io.local_body)

    def _transfer_fate(self, call: Call, effect: do.TransferFate) -> None:
        if effect.leg in self.by_id:
            self._phone.transfer_done(effect.leg, effect.status)
