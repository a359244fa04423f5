"""ElevenLabs' speech over HTTP, from the server's side. No transport: see ``http.py``.

After ElevenLabs' pages (2026-11). The sound is made faster than it is heard, and cut into pieces of any size.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import trio

from trio_voice.sandbox.providers.chain.faults import ChainManner, Whim
from trio_voice.sandbox.providers.chain.thinking import Exchange, Sink
from trio_voice.sandbox.transport.record import ClientError

PATH: Final = "/v1/text-to-speech/"
BYTES_PER_MS: Final = 8
ODD_BYTES: Final = 7
"""By which pieces are longer than they are asked to be: nobody promises whole milliseconds."""


class ElevenLabsHttpSpeaking:
    """Answers requests, and remembers them for whoever looks afterwards.

    Of the whims it has ``refuse``, ``overload``, ``hang`` and ``cut``; further requests are answered.
    """

    def __init__(
        self,
        say: Callable[[str, str], Awaitable[bytes]],
        manner: ChainManner,
        whims: tuple[Whim | None, ...],
        api_key: str | None,
        *,
        remembers: bool = True,
    ) -> None:
        self.exchanges: list[Exchange] = []
        self._say = say
        self._manner = manner
        self._whims = list(whims)
        self._api_key = api_key
        self._remembers = remembers

    async def answer(self, target: str, headers: Mapping[str, str], body: bytes, sink: Sink) -> None:
        """Answer one request. Cancelling is safe."""
        exchange = Exchange(asked_at=trio.current_time(), credential=headers.get("xi-api-key", ""), body={})
        self.exchanges.append(exchange)
        try:
            refusal = self._refusal(exchange, target, body)
            whim = self._whims.pop(0) if self._whims else None
            if refusal is None and whim in {"refuse", "overload"}:
                refusal = {"refuse": (401, "invalid_api_key"), "overload": (429, "too_many_concurrent_requests")}[whim]
            if refusal is not None:
                exchange.status, code = refusal
                await sink.start(exchange.status)
                await sink.send(json.dumps({"detail": {"status": code, "message": "made to fail"}}).encode())
            else:
                voice = unquote(urlsplit(target).path.split("/")[3])
                exchange.complete = await self._stream(exchange, voice, whim, sink)
        finally:
            exchange.closed_at = trio.current_time()
            if not self._remembers:
                self.exchanges.remove(exchange)

    def _refusal(self, exchange: Exchange, target: str, body: bytes) -> tuple[int, str] | None:
        def mistake(status: int, code: str) -> tuple[int, str]:
            exchange.client_errors.append(ClientError(trio.current_time(), str(status), code))
            return status, code

        path, query = urlsplit(target).path.split("/"), parse_qs(urlsplit(target).query)
        if self._api_key not in {None, exchange.credential}:
            return mistake(401, "invalid_api_key")
        if len(path) != 5 or path[4] != "stream" or not path[3]:
            return mistake(404, "voice_not_found")
        if query.get("output_format") != ["ulaw_8000"]:
            return mistake(400, "output_format_not_allowed")
        try:
            exchange.body = json.loads(body)
            problem = _problem_of(exchange.body)
        except (ValueError, LookupError, TypeError, AttributeError):
            problem = "invalid_body"
        return mistake(400, problem) if problem else None

    async def _stream(self, exchange: Exchange, voice: str, whim: Whim | None, sink: Sink) -> bool:
        exchange.status = 200
        if whim == "hang":
            await trio.sleep_forever()
        sound = await self._say(exchange.body["text"], voice)
        await trio.sleep(self._manner.voice_seconds)
        await sink.start(200)
        size = self._manner.sound_ms * BYTES_PER_MS + ODD_BYTES
        for at in range(0, len(sound), size):
            if whim == "cut" and at > len(sound) // 2:
                await sink.cut()
                return False
            piece = sound[at : at + size]
            await sink.send(piece)
            await trio.sleep(len(piece) / BYTES_PER_MS / 1_000 / self._manner.speed)
        return True


def _problem_of(asked: Mapping[str, Any]) -> str:
    """The mistake in a request; empty if there is none."""
    if not isinstance(asked["text"], str) or not asked["text"].strip():
        return "empty_text"
    if not str(asked["model_id"]).startswith("eleven_"):
        return "model_not_found"
    return ""
