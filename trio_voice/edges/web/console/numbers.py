"""Numbers: which of the account's telephone numbers point where, and one button that points one here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Response

from trio_voice.edges.web.console.rendering import notice_page, page
from trio_voice.errors import RestError

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.edges.twilio.numbers import TwilioNumber
    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess

NO_ACCOUNT = "Set account_sid in [twilio] and TWILIO_AUTH_TOKEN to see the account's numbers."


def add_numbers(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The page, and the one that asks back."""

    @app.get("/console/numbers")
    @access.lets_in
    async def numbers() -> Response:
        found, trouble = await _asked()
        rows = [_row(each) for each in found]
        return await page("numbers", here="numbers", rows=rows, trouble=trouble, url=context.public_url.of(""))

    async def _asked() -> tuple[list[TwilioNumber], str]:
        if context.numbers is None:
            return [], NO_ACCOUNT
        try:
            return await context.numbers.listed(), ""
        except RestError as refused:
            return [], f"Twilio cannot be asked: {refused}"

    def _row(number: TwilioNumber) -> dict[str, Any]:
        persona = context.routing.persona_for(number.number)
        points_here = context.numbers is not None and context.numbers.points_here(number)
        return {
            "number": number,
            "persona": None if persona is None else persona.name,
            "points_here": points_here,
            "where": number.where,
        }

    async def _one(sid: str) -> TwilioNumber | Response:
        found, trouble = await _asked()
        for each in found:
            if each.sid == sid:
                return each
        words = trouble or "The account has no such number."
        return await notice_page("No such number", words, status=404, signed_in=True, here="numbers")

    @app.get("/console/numbers/<sid>/point")
    @access.lets_in
    async def ask_point(sid: str) -> Response:
        number = await _one(sid)
        if isinstance(number, Response):
            return number
        return await page("point", here="numbers", row=_row(number), url=context.public_url.of("/twiml"), wrong="")

    @app.post("/console/numbers/<sid>/point")
    @access.lets_in
    async def point(sid: str) -> Response:
        number = await _one(sid)
        if isinstance(number, Response):
            return number
        try:
            assert context.numbers is not None  # noqa: S101 - or there was no number
            await context.numbers.point(number)
        except RestError as refused:
            wrong = f"Twilio did not take it: {refused}"
            url = context.public_url.of("/twiml")
            return await page("point", here="numbers", status=502, row=_row(number), url=url, wrong=wrong)
        return Response("", 303, {"Location": "/console/numbers"})
