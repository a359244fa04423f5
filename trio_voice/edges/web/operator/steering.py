"""Steering of live calls by an operator: say something, be put through, be silent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from trio_voice.edges.web.answers import failure, refusal
from trio_voice.edges.web.operator.call_request import sent_json, unknown_fields
from trio_voice.edges.web.operator.passing_on import NodeAway, owner_away, passed_on
from trio_voice.errors import CallRefused
from trio_voice.events.call import MuteRequested, SayRequested, TransferRequested
from trio_voice.journal import JournalUnavailable
from trio_voice.record import CallState

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.events.call import OperatorFact

MAX_LETTERS: Final = 1_000
"""Of what an operator has the agent say: a minute of speech."""


WISHES: Final = {
    "say": ("text", str, '"One moment, please."'),
    "mute": ("muted", bool, "true"),
    "transfer": ("to", str, '"+15551234567"'),
}
"""Of each, the one field that its request has, of which type, and an example."""


class Steering:
    """Does what operators want of calls.

    Args:
        context: of the app.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context

    async def wish(self, verb: str, fields: Any) -> OperatorFact:
        """The wish that is asked for by ``say``, ``mute`` or ``transfer``.

        Raises:
            ValueError: not by these fields; its words say why.
            CallRefused: nobody may be called at this number.
        """
        name, kind, example = WISHES[verb]
        if not isinstance(fields, dict) or not isinstance(fields.get(name), kind):
            raise ValueError(  # noqa: TRY004 - of a request
                f'send JSON like {{"{name}": {example}}}'
            )
        if unknown := unknown_fields(fields, (name,)):
            raise ValueError(unknown)
        value = fields[name]
        if verb == "mute":
            return MuteRequested(value)
        if verb == "transfer":
            return TransferRequested(await self._context.dialer.allowed(value))
        text = " ".join(value.split())
        if not any(letter.isalnum() for letter in text):
            raise ValueError("text: must have a word in it")
        if text != text.encode(errors="replace").decode():  # half a surrogate pair, which JSON may hold
            raise ValueError("text: must be text, and has half a character in it")
        if len(text) > MAX_LETTERS:
            raise ValueError(f"text: must be at most {MAX_LETTERS} letters, not {len(text)}")
        return SayRequested(text)

    def do(self, call_id: str, wish: OperatorFact) -> None:
        """Have a call of this process do it. Does not wait.

        Raises:
            CallRefused: ``not_live``, ``not_supported``, ``muted``.
        """
        call = self._context.registry.live_call(call_id)
        if call is None:
            raise CallRefused("not_live", "the call is not live: it has not been answered, or is over")
        call.ask(wish)

    async def elsewhere(self, call_id: str) -> Response | None:
        """The answer of the call's node to the request that is being answered; ``None`` if it is ours to answer.

        Raises:
            NodeAway: the call may live, and its node does not answer.
        """
        nodes = self._context.nodes
        answer = await passed_on(nodes, call_id)
        if answer is not None or nodes is None or nodes.owner_of(call_id) is None or not self._context.asks_nodes:
            return answer
        try:
            found = await self._context.journal.call(call_id)
        except JournalUnavailable as trouble:
            raise owner_away(nodes, call_id) from trouble
        if found is not None and found.record.state is not CallState.ENDED:
            raise owner_away(nodes, call_id)
        return None

    async def knows(self, call_id: str) -> bool:
        """True if there is, or was, such a call. Where nobody can say, there was."""
        if self._context.registry.record(call_id) is not None:
            return True
        try:
            return await self._context.journal.call(call_id) is not None
        except JournalUnavailable:
            return True


def add_steering(app: QuartTrio, context: AppContext, access: OperatorAccess) -> Steering:
    """The routes."""
    steering = Steering(context)

    async def steer(call_id: str, verb: str) -> Any:
        try:
            answer = await steering.elsewhere(call_id)
        except NodeAway as away:
            return away.answer
        if answer is not None:
            return answer
        if not await steering.knows(call_id):
            return failure(404, "unknown_call", "there is no call of this id; GET /calls lists those that are known")
        try:
            steering.do(call_id, await steering.wish(verb, await sent_json()))
        except ValueError as wrong:
            return failure(400, "bad_request", str(wrong))
        except CallRefused as refused:
            return refusal(refused)
        return {"call_id": call_id}, 202

    for verb in WISHES:
        app.add_url_rule(f"/calls/<call_id>/{verb}", verb, access.lets_in(partial(steer, verb=verb)), methods=["POST"])
    return steering
