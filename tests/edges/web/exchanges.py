"""Twilio's requests, signed, by both ways: to the app and to our server's own exchange."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import structlog
import trio
import trio.testing

from tests.edges.web.stubs import PERSONAS, TOKEN, EchoReception, StubDialer, StubJournal
from trio_voice.call import registry as registry_module
from trio_voice.call.registry import Registry
from trio_voice.edges.metrics.metrics import Metrics
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.twilio.signatures import sign
from trio_voice.edges.web import callback_timeline
from trio_voice.edges.web.app import create_app
from trio_voice.edges.web.context import AppContext, NumberRouting
from trio_voice.edges.web.entrypoints import Entrypoint
from trio_voice.edges.web.media_stream import StreamAuthenticator
from trio_voice.edges.web.server import Server
from trio_voice.edges.web.webhooks import MAX_BODY_BYTES, Webhooks
from trio_voice.limits import Limits

BASE = "https://voice.example.com"
THEIR_URL = "https://n7.example.com"
ACCOUNT = "AC1"
FORM_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"
FIELDS = [
    ("AccountSid", ACCOUNT),
    ("CallSid", "CA1"),
    ("CallStatus", "ringing"),
    ("From", "+15550001111"),
    ("FromCity", ""),
    ("To", "+15551234567"),
    ("ToCity", "M\u00fcnchen & <Umland>"),
]
PLACED = f"00{1:030x}"
"""The id of the first call of a world, which is one that we have placed."""
THEIRS = "07" + "0" * 30
"""An id of another node's."""


class Ends:
    """The parts of a socket that the server asks for: nothing of it is seen by the client."""

    family = None

    def shutdown(self, _how):
        pass

    def getpeername(self):
        return None

    def getsockname(self):
        return None


def accepted(ends):
    """A connection as the server has it."""
    ends.socket = Ends()
    return ends


class StubNodes:
    """A fleet in which ids that begin with 07 are another node's, which takes calls, too."""

    digits = "00"

    def __init__(self):
        self.told = []

    def owner_of(self, call_id):
        return "07" if call_id is not None and call_id.startswith("07") else None

    def webhook_spellings(self, digits, target):
        assert digits == "07"
        return [THEIR_URL + target]

    async def find_taker(self, via):
        await trio.lowlevel.checkpoint()
        return SimpleNamespace(digits="07") if "07" not in via else None

    def redirect_url(self, node, via):
        return f"{THEIR_URL}/twiml/{node.digits}?via={via}00"

    def tell_status(self, call_sid, status):
        self.told.append((call_sid, status))


class World:
    """A daemon with one way, and everything that can be seen of it from outside and inside."""

    def __init__(self, monkeypatch, *, is_short, entrypoint=Entrypoint.SHARED, **changes):
        numbers = iter(range(1, 100_000))
        monkeypatch.setattr(
            registry_module, "secrets", SimpleNamespace(token_hex=lambda _: f"{next(numbers):032x}"), raising=True
        )
        monkeypatch.setattr(callback_timeline, "wall_clock", lambda: datetime(2026, 1, 2, tzinfo=UTC))
        self.registry = Registry(Limits(max_calls=3), clock=lambda: datetime(2026, 1, 2, tzinfo=UTC), prefix="00")
        public_url = PublicUrl(BASE)
        self.context = AppContext(
            authenticator=StreamAuthenticator(EchoReception(self.registry), public_url, TOKEN),
            public_url=public_url,
            routing=NumberRouting(PERSONAS, {"+15551234567": "desk"}),
            dialer=StubDialer(self.registry),
            journal=StubJournal(),
            metrics=Metrics(self.registry, datetime.now(UTC)),
            auth_token=TOKEN,
            api_token="op",
            account_sid=ACCOUNT,
            nodes=StubNodes(),
        )
        for name, value in changes.items():
            setattr(self.context, name, value)
        placed = self.registry.expect(
            PERSONAS["shop"], direction="outbound", from_number="+1", to_number="+2", call_sid=None
        )
        assert placed.record.call_id == PLACED
        self.asked_of_the_app = 0
        webhooks = Webhooks(self.context)
        app = create_app(self.context, webhooks)

        async def counted(scope, receive, send):
            self.asked_of_the_app += 1
            await app(scope, receive, send)

        self._entrypoint = entrypoint
        self._server = Server(
            counted, self.context.authenticator, max_connections=9, webhooks=webhooks if is_short else None
        )

    async def knock(self, pieces, *, stays=True):
        """Send bytes; what comes back until the server closes, and after how long."""
        ours, theirs = trio.testing.memory_stream_pair()
        answer, began = b"", trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._server.serve_connection, self._entrypoint, accepted(theirs), b"")

            async def say():
                try:
                    for piece in pieces:
                        await ours.send_all(piece)
                        await trio.sleep(0.01)
                    if not stays:
                        await ours.aclose()
                except trio.BrokenResourceError:
                    pass

            nursery.start_soon(say)
            try:
                async for data in ours:
                    answer += data
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        return answer, round(trio.current_time() - began, 1)

    def seen(self):
        """Everything that a webhook may have changed."""
        refused = [line for line in self.context.metrics.render().decode().split("\n") if "refusals_total{" in line]
        records = [(record.as_json(), record.recording_url) for record in self.registry.records()]
        counts = self.registry.statistics()
        return refused, records, counts, self.context.journal.began, self.context.nodes and self.context.nodes.told


def signature_of(target, fields, base=BASE, token=TOKEN):
    form = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    return sign(base + target, form, token)


def post(target="/twiml", *, fields=(), body=None, headers=(), without=(), method="POST", version="1.1", **signing):
    """A request as Twilio sends it, but for what is asked to be otherwise; with ``body`` the form is not the body."""
    form = [*((name, value) for name, value in FIELDS if name not in dict(fields)), *fields]
    raw = urlencode(form).encode() if body is None else body
    signature = signing.pop("signature", None) or signature_of(target, form, **signing)
    usual = {
        "Host": "voice.example.com",
        "User-Agent": "TwilioProxy/1.1",
        "Content-Length": str(len(raw)),
        "Content-Type": FORM_TYPE,
        "X-Twilio-Signature": signature,
        "Accept": "*/*",
    }
    lines = [f"{name}: {value}" for name, value in usual.items() if name not in without]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([f"{method} {target} HTTP/{version}", *lines, "", ""]).encode("latin-1") + raw


async def both(monkeypatch, pieces, *, stays=True, **changes):
    """Results of each way for the same: answer, everything that has changed, and how often the app was asked."""
    found = []
    for is_short in (False, True):
        world = World(monkeypatch, is_short=is_short, **{name: make() for name, make in changes.items()})
        with structlog.testing.capture_logs() as lines:
            answer, seconds = await world.knock(pieces, stays=stays)
        told = [{name: str(value) for name, value in line.items()} for line in lines]
        found.append((what_matters(answer), seconds, world.seen(), told, world.asked_of_the_app))
    return found


def what_matters(answer):
    """Status, headers and body, without the words and the time, which mean nothing."""
    answer = re.sub(rb"^(HTTP/1.1 \d+) [^\r]*", rb"\1", answer)
    answer = re.sub(rb"(?im)^date: [^\r]+GMT(?=\r?$)", b"date: now", answer)
    head, blank, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\n")
    return first.strip(), sorted(line.strip().lower() for line in lines), blank, body


PLAIN = {
    "a call": post(),
    "a call that we placed": post(f"/twiml/{PLACED}"),
    "a call that nobody knows": post("/twiml/1234"),
    "a call that was sent on": post(f"/twiml/{PLACED}?via=0102"),
    "a query of somebody's": post("/twiml?a=1&b=&via=03&via=04"),
    "an empty query": post("/twiml?", signature=signature_of("/twiml", FIELDS)),
    "a status of a number": post("/call-status", fields=[("CallStatus", "completed")]),
    "a status": post(f"/call-status/{PLACED}", fields=[("CallStatus", "busy")]),
    "a machine": post(f"/amd-status/{PLACED}", fields=[("AnsweredBy", "machine_start")]),
    "a recording": post(
        f"/recording-status/{PLACED}", fields=[("RecordingStatus", "completed"), ("RecordingUrl", "https://r")]
    ),
    "a stream": post(f"/stream-status/{PLACED}", fields=[("StreamEvent", "stream-started")]),
    "a stream that failed": post(
        f"/stream-status/{PLACED}", fields=[("StreamEvent", "stream-error"), ("StreamError", "lost")]
    ),
    "a transfer": post(f"/dial-status/{PLACED}"),
    "a transfer that failed": post(f"/dial-status/{PLACED}", fields=[("DialCallStatus", "no-answer")]),
    "a transfer that is over": post(f"/dial-status/{PLACED}", fields=[("DialCallStatus", "completed")]),
    "a number of nobody's": post(fields=[("To", "+15559990000")]),
    "no number": post(fields=[("To", "")]),
    "a port that was signed": post(base=BASE + ":443"),
    "of a node's": post(f"/call-status/{THEIRS}", base=THEIR_URL),
    "of a node's, signed for the fleet": post(f"/call-status/{THEIRS}"),
    "signed with another token": post(token="other"),
    "signed for another URL": post(base="http://voice.example.com"),
    "no signature": post(without=["X-Twilio-Signature"]),
    "an empty signature": post(signature=" "),
    "nonsense for a signature": post(signature="nonsense"),
    "another account": post(fields=[("AccountSid", "AC2")]),
    "no account": post(body=urlencode(FIELDS[1:]).encode(), signature=signature_of("/twiml", FIELDS[1:])),
    "no call": post(fields=[("CallSid", "")]),
    "fields twice": post(fields=[("To", "+15551234567"), ("To", "+15559999999"), ("x", "1"), ("x", "1")]),
    "everything percent-encoded": post(body="&".join(f"{quote(n)}={quote(v, safe='')}" for n, v in FIELDS).encode()),
    "no text": post(body=b"CallSid=\xff\xfe"),
    "a text that is none when it is decoded": post(body=b"CallSid=%FF%FE&x=%ED%A0%80"),
    "percent signs that mean nothing": post(body=b"CallSid=%zz&%&%1&a%=b"),
    "semicolons and blanks": post(body=b"CallSid=1;a=2&&=&=x&+=+"),
    "zeros": post(body=b"CallSid=1%00\x00&To=\x00"),
    "no body": post(body=b""),
    "a length with zeros before it": post(without=["Content-Length"], headers=[("Content-Length", "0000")], body=b""),
    "as much as may be": post(body=b"a=" + b"x" * (MAX_BODY_BYTES - 2)),
    "a type in other letters": post(
        without=["Content-Type"], headers=[("CONTENT-TYPE", "Application/X-WWW-Form-URLEncoded;charset=utf-8")]
    ),
    "a type without more": post(without=["Content-Type"], headers=[("content-type", FORM_TYPE.partition(";")[0])]),
    "headers of proxies": post(headers=[("X-Forwarded-For", "10.0.0.1, 10.0.0.2"), ("Connection", "keep-alive")]),
    "a connection that is to be closed": post(headers=[("Connection", "close")]),
    "a header without a value": post(headers=[("X-Empty", "")]),
    "tabs and blanks around a value": post(headers=[("X-Tab", "\t a  b \t ")]),
}
"""Requests that our server answers by itself."""
