"""A small site and a small media server, for the sandbox's Twilio to call over real sockets."""

import base64
import json
import math
from contextlib import asynccontextmanager

import trio
from twilio.request_validator import RequestValidator

from trio_voice.sandbox.transport.sockets import serve_sockets
from trio_voice.sandbox.twilio.http import HttpAnswer, LoopbackServer
from trio_voice.sandbox.twilio.server import open_sandbox_twilio

SITE, MEDIA = "voice.example.com", "media.example.com"
TOKEN = "0123456789abcdef0123456789abcdef"
SPEECH = bytes(range(100)) * 16
STREAM = (
    f'<Connect><Stream url="wss://{MEDIA}/media-stream/abc" statusCallback="https://{SITE}/stream-status">'
    '<Parameter name="k" value="v"/></Stream></Connect>'
)


def response(verbs):
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'


class Site:
    """Answers webhooks from a table of paths, and checks every signature with Twilio's own validator."""

    def __init__(self):
        self.answers = {"/twiml": response(STREAM)}
        self.requests = []
        self.server = LoopbackServer(self.handle)

    def handle(self, request):
        self.requests.append(request)
        query = "?" + "&".join(f"{name}={value}" for name, value in request.query) if request.query else ""
        url = f"https://{request.headers['host']}{request.path}{query}"
        good = RequestValidator(TOKEN).validate(url, dict(request.form), request.headers["x-twilio-signature"])
        if not good:
            return HttpAnswer(403, b"")
        answer = self.answers.get(request.path, "")
        if isinstance(answer, str) and answer not in {"hang", "reset"}:
            return HttpAnswer(200, answer.encode(), (("Content-Type", "text/xml; charset=utf-8"),))
        return answer

    def forms(self, path):
        return [dict(request.form) for request in self.requests if request.path == path]


class Media:
    """Our side of the streams: notes what comes, and does what the test has set for it to do."""

    def __init__(self):
        self.requests = []
        self.messages = []
        self.sockets = []
        self.over = trio.Event()
        self.greet = []
        self.serve = self.read

    async def handle(self, socket, request):
        self.requests.append(request)
        self.sockets.append(socket)
        await self.serve(socket)
        self.over.set()

    async def read(self, socket):
        try:
            while True:
                message = json.loads(await socket.receive())
                self.messages.append(message)
                if message["event"] == "start":
                    for make in self.greet:
                        await socket.send(json.dumps(make(message["streamSid"])))
        except (trio.EndOfChannel, trio.BrokenResourceError):
            await socket.aclose()

    async def close_at_start(self, socket):
        while json.loads(await socket.receive())["event"] != "start":
            pass
        await socket.aclose(1000, "done")

    def events(self):
        seen = [message["event"] for message in self.messages]
        return [event for number, event in enumerate(seen) if number == 0 or event != seen[number - 1]]


def media(mulaw):
    payload = base64.b64encode(mulaw).decode()
    return lambda sid: {"event": "media", "streamSid": sid, "media": {"payload": payload}}


def mark(name):
    return lambda sid: {"event": "mark", "streamSid": sid, "mark": {"name": name}}


@asynccontextmanager
async def open_world():
    site, streams = Site(), Media()
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_sockets, streams.handle)
        await nursery.start(site.server.run)
        ports = {SITE: site.server.port, MEDIA: port}
        async with open_sandbox_twilio(auth_token=TOKEN, connect_to=ports) as twilio:
            twilio.account.say_characters_per_second = math.inf
            with trio.fail_after(20):
                yield twilio, site, streams
        nursery.cancel_scope.cancel()


async def call_in(sandbox, **more):
    return await sandbox.call_in(f"https://{SITE}/twiml", status_callback=f"https://{SITE}/call-status", **more)


async def eventually(ready):
    while not ready():
        await trio.sleep(0.01)


def codes(call):
    return [notice.code for notice in call.notices]


class Rest:
    """The API as a program meets it that has read the documentation."""

    def __init__(self, sandbox, client):
        self.root = f"{sandbox.api_url}/2010-04-01/Accounts/{sandbox.account_sid}"
        self.client = client
        self.client.auth = (sandbox.account_sid, TOKEN)

    async def post(self, path, **form):
        return await self.client.post(f"{self.root}/{path}.json", data=form)

    async def get(self, path, **query):
        return await self.client.get(f"{self.root}/{path}.json", params=query)

    async def create(self, to="+15550009999", **form):
        form = {"From": "+15551234567", "Twiml": response("<Say>hello</Say>")} | form
        return await self.post("Calls", To=to, **form)
