"""Twilio's side of a call: the signed webhook, the media stream in real time, and everything it can do wrong.

The wire facts are Twilio's own pages: "Media Streams - WebSocket Messages", "TwiML Voice: Stream", "Security".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import attrs
import httpx2
import trio
from wsproto import ConnectionType

from rig.http import open_http
from rig.line import Line
from rig.sounds import MULAW_BYTES_PER_SECOND, Sounds
from rig.wire import narrow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rig.rest import Account

FRAME: Final = base64.b64encode(b"\xff" * 160).decode()
FRAME_SECONDS: Final = 0.02
WEBHOOK_SECONDS: Final = 15.0
"""Twilio's own patience (error 11205)."""


WRITE_SECONDS: Final = 0.5


class NoStream(Exception):
    """The server under test did not give the call a stream."""


class Unsupported(Exception):
    """The server under test does not offer what the case needs; the message says what."""


def sign(url: str, form: Mapping[str, str], auth_token: str) -> str:
    """``X-Twilio-Signature``: base64(HMAC-SHA1(auth token, URL + each field's name and value, sorted by name))."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


@attrs.frozen
class Twiml:
    """The webhook's answer, as far as it matters here."""

    stream_url: str
    parameters: dict[str, str]
    status_callback: str | None
    tail_seconds: float
    """Seconds that the caller is kept on the line after the stream is over, by verbs such as ``<Pause>``."""


def read_twiml(text: str) -> Twiml:
    """Find the bidirectional stream, and what comes after it.

    Raises:
        NoStream: there is none.
    """
    response = ET.fromstring(text)  # noqa: S314 - the server that the user has told us to test
    tail, stream = 0.0, None
    for verb in response:
        if verb.tag == "Connect":
            stream = verb.find("Stream")
        elif stream is not None and verb.tag in {"Hangup", "Reject"}:
            break
        elif stream is not None and verb.tag == "Pause":
            tail += float(verb.get("length", "1"))
    if stream is None:
        raise NoStream(f"no <Connect><Stream> in {text[:200]!r}")
    parameters = {each.attrib["name"]: each.attrib["value"] for each in stream.findall("Parameter")}
    return Twiml(stream.attrib["url"], parameters, stream.get("statusCallback"), tail)


class PhoneCall:
    """One call, from the webhook to the end of its stream.

    Args:
        account: whose call it is; told of it, so that it can be ended by REST.
        port: where the server under test listens, on this machine.
        webhook: the URL that Twilio has been given; only its path and host are used.
    """

    def __init__(self, account: Account, port: int, webhook: str, number: int) -> None:
        self.call_sid = f"CA{number:032x}"
        self.stream_sid = f"MZ{number:032x}"
        self._account = account
        self._port = port
        self._webhook = webhook
        self._twiml: Twiml | None = None
        self._line: Line | None = None
        self._sequence = 0
        self._speaking = True
        self._plays_until = -math.inf
        self._marks: deque[tuple[float, str]] = deque()
        self._marks_changed = trio.Event()
        self.heard_ms = 0.0
        """Milliseconds of audio that the server has sent."""
        self.sounds = Sounds()
        self.started_at = math.inf
        """Time at which the caller began to listen."""
        account.calls[self.call_sid] = self
        self.completed_at: float | None = None
        """Time at which the server ended the call by REST."""

    @property
    def line(self) -> Line:
        """The stream's socket."""
        if self._line is None:
            raise NoStream("the stream is not open yet")
        return self._line

    @property
    def tail_seconds(self) -> float:
        """See ``Twiml``."""
        return self._twiml.tail_seconds if self._twiml is not None else 0.0

    def released_after(self, sign_at: float) -> float | None:
        """Seconds until the caller was let go: by the stream's socket and what TwiML has behind it, or by REST."""
        ends = [] if self.completed_at is None else [self.completed_at]
        if self._line is not None and self._line.released_at is not None:
            ends.append(self._line.released_at + self.tail_seconds)
        return max(0.0, min(ends) - sign_at) if ends else None

    async def forget(self) -> None:
        """The case is over."""
        del self._account.calls[self.call_sid]
        if self._line is not None:
            await self._line.abandon()

    # Beginning

    async def ring(self) -> None:
        """Ask the webhook what to do with the call.

        Raises:
            NoStream: it does not answer as it should.
        """
        form = {
            "AccountSid": self._account.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.call_sid,
            "CallStatus": "ringing",
            "Called": "+15551234567",
            "Caller": "+15557654321",
            "Direction": "inbound",
            "From": "+15557654321",
            "FromCity": "",
            "To": "+15551234567",
        }
        answer = await self._post(self._webhook, form)
        if answer.status_code != httpx2.codes.OK:
            raise NoStream(f"the webhook answered {answer.status_code}: {answer.text[:200]!r}")
        self._twiml = read_twiml(answer.text)

    async def _post(self, url: str, form: dict[str, str]) -> httpx2.Response:
        parts = urlsplit(url)
        headers = {
            "Host": parts.netloc,
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": sign(url, form, self._account.auth_token),
        }
        here = f"http://127.0.0.1:{self._port}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        async with open_http(WEBHOOK_SECONDS) as http:
            return await http.post(here, data=form, headers=headers)

    async def connect(self) -> None:
        """Open the stream's connection and ask for the upgrade.

        Raises:
            NoStream: the answer is not 101.
        """
        await self.connect_only()
        if self._twiml is None:
            raise NoStream("ring() first")
        url = urlsplit(self._twiml.stream_url)
        headers = {
            "User-Agent": "Twilio.TmeWs/1.0",
            "X-Twilio-Signature": sign(self._twiml.stream_url, {}, self._account.auth_token),
        }
        status = await self.line.ask(url.netloc, url.path, headers)
        if status != 101:
            raise NoStream(f"the stream's upgrade was answered with {status}")

    async def connect_only(self) -> None:
        """Open the stream's connection, and say nothing on it."""
        peer = trio.socket.socket()
        narrow(peer)
        await peer.connect(("127.0.0.1", self._port))
        self._line = Line(trio.SocketStream(peer), ConnectionType.CLIENT)

    async def live(self, *, starts: bool = True) -> None:
        """Speak, listen and play until the line is over; run this once, as a task.

        Args:
            starts: whether ``start`` is ever sent, and media after it.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.line.watch)
            nursery.start_soon(self.line.read, self._hear)
            nursery.start_soon(self._echo_marks)
            await self.line.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            if starts:
                await self._start()
                nursery.start_soon(self._speak)
            await self.line.wait_released()
            nursery.cancel_scope.cancel(reason="the stream is over")

    async def _send(self, event: str, **fields: Any) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), **fields, "streamSid": self.stream_sid}
        await self.line.send(json.dumps(message))

    async def _start(self) -> None:
        self.started_at = trio.current_time()
        await self._send(
            "start",
            start={
                "accountSid": self._account.account_sid,
                "streamSid": self.stream_sid,
                "callSid": self.call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": self._twiml.parameters if self._twiml is not None else {},
            },
        )

    async def _speak(self) -> None:
        began = trio.current_time()
        chunk = 0
        while self._speaking:
            chunk += 1
            media = {"track": "inbound", "chunk": str(chunk), "timestamp": str(chunk * 20), "payload": FRAME}
            await self._send("media", media=media)
            if chunk == 10:
                await self._send("dtmf", dtmf={"track": "inbound_track", "digit": "1"})
            await trio.sleep_until(began + chunk * FRAME_SECONDS)

    # Listening

    async def _hear(self, message: str | bytes) -> None:
        with suppress(ValueError, KeyError, TypeError):  # Twilio warns about such messages (31951) and goes on
            said = json.loads(message)
            now = trio.current_time()
            match said["event"]:
                case "media":
                    payload = base64.b64decode(said["media"]["payload"])
                    seconds = len(payload) / MULAW_BYTES_PER_SECOND
                    self.heard_ms += seconds * 1000
                    self._plays_until = max(now, self._plays_until)
                    self.sounds.play(payload, self._plays_until)
                    self._plays_until += seconds
                case "mark":
                    self._marks.append((self._plays_until, str(said["mark"]["name"])))
                    self._marks_changed.set()
                case "clear":  # every mark that is pending comes back, too
                    self._plays_until = now
                    self.sounds.clear(now)
                    self._marks = deque((now, name) for _, name in self._marks)
                    self._marks_changed.set()

    async def _echo_marks(self) -> None:
        """Send each mark back when what was sent before it has been played."""
        while True:
            self._marks_changed = trio.Event()
            until = self._marks[0][0] if self._marks and self._speaking else math.inf
            with trio.move_on_at(until):
                await self._marks_changed.wait()
            while self._speaking and self._marks and self._marks[0][0] <= trio.current_time():
                await self._send("mark", mark={"name": self._marks.popleft()[1]})

    # Ends and faults

    async def say_stop(self) -> None:
        """Say ``stop``, as Twilio does when the caller has hung up, and leave the socket as it is."""
        self._speaking = False
        await self._send("stop", stop={"accountSid": self._account.account_sid, "callSid": self.call_sid})

    async def hang_up(self) -> None:
        """The caller hangs up: ``stop``, and then Twilio closes the socket."""
        await self.say_stop()
        await self.line.close()
        await self.line.finish()

    async def be_completed(self) -> None:
        """The server has ended the call by REST: the same, from Twilio's side."""
        if self.completed_at is None:
            self.completed_at = trio.current_time()
            if self._line is not None and self._line.released_at is None:
                with trio.move_on_after(WRITE_SECONDS):  # the server may not be reading
                    await self.hang_up()

    async def cut(self) -> None:
        """FIN, without a word."""
        self._speaking = False
        await self.line.finish()

    def reset(self) -> None:
        """RST, without a word."""
        self._speaking = False
        self.line.reset()

    def fall_silent(self) -> None:
        """Send nothing more, not even silence; go on reading."""
        self._speaking = False

    def stop_reading(self) -> None:
        """Take nothing more; go on speaking."""
        self.line.stop_reading()

    def vanish(self) -> None:
        """Neither speak, read nor answer, as a machine without power."""
        self.line.answers_close = False
        self.fall_silent()
        self.stop_reading()

    async def report_stream_error(self) -> None:
        """Tell the server that the stream has failed, if it wants to know (``statusCallback``)."""
        url = self._twiml.status_callback if self._twiml is not None else None
        if url is None:
            raise Unsupported("its TwiML names no statusCallback")
        form = {
            "AccountSid": self._account.account_sid,
            "CallSid": self.call_sid,
            "StreamSid": self.stream_sid,
            "StreamName": self.stream_sid,
            "StreamEvent": "stream-error",
            "StreamError": "31924 - Stream - Websocket - Protocol Error",
            "Timestamp": "2026-11-21T12:00:00.000000000Z",
        }
        with suppress(httpx2.HTTPError):
            await self._post(url, form)

    async def talk_garbage(self) -> None:
        """Send what is no WebSocket frame, and stay."""
        self.fall_silent()
        await self.line.send_bytes(b"\xf7\xff" * 20)

    async def talk_nonsense(self) -> None:
        """Send well-formed messages that make no sense."""
        for nonsense in ("{", "null", '{"event":"media"}', '{"event":"future"}', '{"event":"mark","mark":7}'):
            await self.line.send(nonsense)
