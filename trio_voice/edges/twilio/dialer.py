"""Calls that we place: what is checked before Twilio hears of one, and what it is asked for.

No request that fails a check reaches Twilio. A create is never repeated: there is no way to tell Twilio that it is the
same one, and a call placed twice rings twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import phonenumbers
import structlog
import trio

from trio_voice.call.expected import QUEUED_SECONDS
from trio_voice.edges.twilio.rest import CallOrder, TwilioRest
from trio_voice.errors import CallRefused, RestError
from trio_voice.journal import JournalUnavailable
from trio_voice.phone_numbers import e164
from trio_voice.record import TERMINAL_STATUSES, EndReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio_voice.call.registry import Registry
    from trio_voice.edges.twilio.public_url import PublicUrl
    from trio_voice.journal import Journal
    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord

log: Final = structlog.stdlib.get_logger("trio_voice.dialer")

ANSWER_SECONDS: Final = 60.0
"""Time after its last ring that a call may still need for its TwiML and its stream."""
LIST_SECONDS: Final = 2.0
"""To look a number up in the do-not-call list."""


class Dialer:
    """Places calls.

    Args:
        registry: where the call is expected before it is placed.
        rest: Twilio's API; ``None`` without an account.
        public_url: where Twilio finds us.
        from_number: one of the account's numbers.
        allowed_prefixes: what a number must begin with; empty for any.
        journal: knows the numbers that are never dialed, and learns of every call.
        per_second: how many calls the account may begin, over all nodes; ``None`` for as they come.
    """

    def __init__(
        self,
        registry: Registry,
        rest: TwilioRest | None,
        public_url: PublicUrl,
        from_number: str | None,
        allowed_prefixes: Iterable[str],
        journal: Journal,
        per_second: float | None = None,
    ) -> None:
        self._per_second = per_second
        self._registry = registry
        self._rest = rest
        self._public_url = public_url
        self._from_number = from_number
        self._allowed_prefixes = tuple(allowed_prefixes)
        self._journal = journal

    async def place(self, to_number: str, persona: Persona) -> CallRecord:
        """Place a call, if every check allows it. Returns once Twilio has taken it on.

        Cancelling is safe for us; Twilio may have taken the call on all the same.

        Raises:
            CallRefused: with a code for each reason; the message says what to do.
        """
        rest, from_number = self._rest, self._from_number
        self._check_number(to_number)
        self._check_public_url()
        if rest is None:
            raise CallRefused("no_account", "set account_sid and TWILIO_AUTH_TOKEN to place calls")
        if from_number is None:
            raise CallRefused("no_from_number", "set from_number in [twilio] to place calls")
        await self._check_list(to_number)
        await self._wait_for_turn(rest.account_sid)
        limits = self._registry.limits
        expected = self._registry.expect(
            persona,
            direction="outbound",
            from_number=from_number,
            to_number=to_number,
            call_sid=None,
            seconds=QUEUED_SECONDS,
            seconds_from_dialing=limits.ring_seconds + ANSWER_SECONDS,
        )
        record = expected.record
        call_id = record.call_id
        url = self._public_url.of
        detect = persona.detect_machine or persona.voicemail is not None
        order = CallOrder(
            to_number=to_number,
            from_number=from_number,
            twiml_url=url(f"/twiml/{call_id}"),
            status_url=url(f"/call-status/{call_id}"),
            ring_seconds=limits.ring_seconds,
            time_limit_seconds=expected.limits.time_limit_seconds,
            recording_url=url(f"/recording-status/{call_id}") if persona.record is True else None,
            machine_url=url(f"/amd-status/{call_id}") if detect else None,
            wait_for_beep=persona.voicemail is not None,
        )
        self._journal.call_began(record)  # before Twilio hears of it: an answer that is lost leaves a call
        try:
            record.call_sid, status = await rest.create(order)
        except RestError as refused:
            log.warning("call_not_placed", call_id=call_id, error=str(refused), code=refused.code)
            if refused.outcome_unknown:
                raise CallRefused(
                    "unknown_outcome", f"it is not known whether the call was placed; it is not repeated. {refused}"
                ) from refused
            self._registry.end(call_id, EndReason.TWILIO_ENDED, str(refused))
            raise CallRefused("twilio_refused", str(refused)) from refused
        record.twilio_status = record.twilio_status or status  # a callback can be quicker, and knows more
        self._journal.call_began(record)
        if record.end_reason is not None and record.twilio_status not in TERMINAL_STATUSES:
            await rest.hang_up(record.call_sid)  # it was ended while nobody knew by which name
        log.info("call_placed", call_id=call_id, call_sid=record.call_sid, persona=persona.name)
        return record

    async def allowed(self, number: str) -> str:
        """A number that somebody is to be put through to, in E.164: it is dialed as any other.

        Raises:
            CallRefused: ``bad_number``, ``not_allowed``, ``do_not_call`` or ``no_list``.
        """
        written = e164(number) or number
        self._check_number(written)
        await self._check_list(written)
        return written

    async def _wait_for_turn(self, account: str) -> None:
        """Wait until the account may begin one more call."""
        if self._per_second is None:
            return
        try:
            seconds = await self._journal.take_turn(account, self._per_second)
        except JournalUnavailable as trouble:
            raise CallRefused("no_list", f"nobody knows whose turn it is, so nobody is called: {trouble}") from trouble
        if seconds is None:
            raise CallRefused("pace", f"too many calls wait for their turn: calls_per_second = {self._per_second:g}")
        await trio.sleep(seconds)

    def _check_number(self, number: str) -> None:
        try:
            parsed = phonenumbers.parse(number, None)
        except phonenumbers.NumberParseException as wrong:
            raise CallRefused("bad_number", "the number must be like +15551234567") from wrong
        if phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) != number:
            raise CallRefused("bad_number", "the number must be written like +15551234567, without spaces or signs")
        if not phonenumbers.is_possible_number(parsed):
            raise CallRefused("bad_number", "no telephone number of that country has so many digits")
        if self._allowed_prefixes and not number.startswith(self._allowed_prefixes):
            allowed = ", ".join(self._allowed_prefixes)
            raise CallRefused("not_allowed", f"only numbers that begin with {allowed} may be called: allowed_prefixes")

    def _check_public_url(self) -> None:
        parts = urlsplit(self._public_url.of(""))
        if parts.scheme != "https" or parts.hostname in ("localhost", "127.0.0.1", "::1"):
            raise CallRefused(
                "bad_public_url", "public_url must be https:// and an address that Twilio can reach, not this machine"
            )

    async def _check_list(self, number: str) -> None:
        listed: bool | None = None
        why = f"it did not answer within {LIST_SECONDS:g} s"
        with trio.move_on_after(LIST_SECONDS):  # noqa: ASYNC912 - the journal's thread is waited for
            try:
                listed = await self._journal.is_do_not_call(number)
            except JournalUnavailable as trouble:
                why = str(trouble)
        if listed is None:
            raise CallRefused("no_list", f"the do-not-call list cannot be read, so nobody is called: {why}")
        if listed:
            raise CallRefused("do_not_call", "this number is on the do-not-call list and is never dialed")
