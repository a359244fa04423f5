"""Twilio's webhooks come by two ways, the app's and our server's own: what is answered and done is the same."""

import random

import pytest

from tests.edges.web.exchanges import FORM_TYPE, PLACED, PLAIN, both, post
from tests.edges.web.stubs import TOKEN, StubJournal
from trio_voice.edges.web.entrypoints import Entrypoint
from trio_voice.edges.web.nodes import NODE
from trio_voice.edges.web.webhooks import MAX_BODY_BYTES


class BrokenJournal(StubJournal):
    """A bug of ours."""

    def call_began(self, record):
        raise ZeroDivisionError(record.direction)


ODD = {
    "a slash behind it": post("/twiml/"),
    "two slashes": post("//twiml"),
    "a path that is encoded": post("/%74wiml"),
    "an id that is encoded": post("/twiml/%41"),
    "an id with a line in it": post("/call-status/a-b_c"),
    "a path too many": post(f"/call-status/{PLACED}/x"),
    "a route that has no such id": post("/stream-status"),
    "a query that is encoded": post("/twiml?via=%30%31&a=b+c"),
    "a query with two signs": post("/twiml?a?b"),
    "a whole URL": post("http://voice.example.com/twiml"),
    "another path": post("/nothing"),
    "in capitals": post("/TWIML"),
    "GET": post(method="GET"),
    "HEAD": post(method="HEAD"),
    "OPTIONS": post(method="OPTIONS"),
    "PUT": post(method="PUT"),
    "DELETE": post(method="DELETE"),
    "post": post(method="post"),
    "a method of nobody's": post(method="FROB"),
    "HTTP/1.0": post(version="1.0"),
    "HTTP/1.2": post(version="1.2"),
    "HTTP/1.0 that is to be kept": post(version="1.0", headers=[("Connection", "keep-alive")]),
    "no host": post(without=["Host"]),
    "two hosts": post(headers=[("Host", "other.example.com")]),
    "two signatures": post(headers=[("X-Twilio-Signature", "A" * 27 + "=")]),
    "two types": post(headers=[("Content-Type", "text/plain")]),
    "no length": post(without=["Content-Length"]),
    "a length with a sign": post(without=["Content-Length"], headers=[("Content-Length", "+5")]),
    "a length in words": post(without=["Content-Length"], headers=[("Content-Length", "five")]),
    "an empty length": post(without=["Content-Length"], headers=[("Content-Length", "")]),
    "too much": post(body=b"a=" + b"x" * (MAX_BODY_BYTES - 1)),
    "far too much": post(without=["Content-Length"], headers=[("Content-Length", "9" * 19)]),
    "pieces": post(without=["Content-Length"], headers=[("Transfer-Encoding", "chunked")], body=b"1\r\na\r\n0\r\n\r\n"),
    "pieces without a signature": post(
        without=["Content-Length", "X-Twilio-Signature"], headers=[("Transfer-Encoding", "chunked")], body=b"0\r\n\r\n"
    ),
    "whoever waits to be asked for the body": post(headers=[("Expect", "100-continue")]),
    "of a node that asks": post(headers=[(NODE, "07")]),
    "an upgrade": post(headers=[("Upgrade", "websocket"), ("Connection", "Upgrade")]),
    "JSON": post(without=["Content-Type"], headers=[("Content-Type", "application/json")], body=b'{"CallSid": "CA1"}'),
    "parts": post(
        without=["Content-Type"],
        headers=[("Content-Type", "multipart/form-data; boundary=b")],
        body=b'--b\r\nContent-Disposition: form-data; name="CallSid"\r\n\r\nCA1\r\n--b--\r\n',
    ),
    "another alphabet": post(
        without=["Content-Type"], headers=[("Content-Type", FORM_TYPE.replace("UTF-8", "latin-1"))]
    ),
    "no type": post(without=["Content-Type"]),
    "a tab in a value": post(headers=[("X-Tab", "a\tb")]),
    "a name with a blank": post(headers=[("X Y", "z")]),
    "a blank before the colon": post(headers=[("X-Y ", "z")]),
    "a line without a colon": post().replace(b"Accept: */*", b"Accept"),
    "letters of no alphabet": post(headers=[("X-Y", "\xfc")]),
    "a zero in a header": post(headers=[("X-Y", "a\x00b")]),
    "a line's end alone": post().replace(b"\r\nAccept", b"\nAccept"),
    "a carriage's return alone": post(headers=[("X-Y", "a\rb")]),
    "lines before it": b"\r\n" + post(),
}
"""Requests that are left to hypercorn and the app."""


@pytest.mark.parametrize("name", PLAIN)
async def test_what_twilio_sends_is_answered_the_same_without_the_app(monkeypatch, autojump_clock, name):
    (*by_app, asked), (*by_us, not_asked) = await both(monkeypatch, [PLAIN[name]])
    assert by_us == by_app
    assert by_us[0][0].startswith(b"HTTP/1.1")
    assert (asked, not_asked) == (1, 0)


@pytest.mark.parametrize("name", ODD)
async def test_what_is_odd_is_left_to_the_app_as_it_came(monkeypatch, autojump_clock, name):
    (*by_app, asked), (*by_us, asked_too) = await both(monkeypatch, [ODD[name]])
    assert by_us == by_app
    assert asked_too == asked


@pytest.mark.parametrize("name", ["a call", "a call that we placed", "a status", "no signature", "another account"])
async def test_however_it_is_cut(monkeypatch, autojump_clock, name):
    request = PLAIN[name]
    head = request.index(b"\r\n\r\n") + 4
    for at in (1, head - 2, head, head + 1, len(request) - 1):
        (*by_app, _), (*by_us, _) = await both(monkeypatch, [request[:at], request[at:]])
        assert (by_us[0], *by_us[2:]) == (by_app[0], *by_app[2:])
    pieces = [request[at : at + 1] for at in range(len(request))]
    (*by_app, _), (*by_us, not_asked) = await both(monkeypatch, pieces)
    assert (by_us[0], *by_us[2:]) == (by_app[0], *by_app[2:])
    assert not_asked == 0


SETTINGS = {
    "signatures are not checked": ({"auth_token": lambda: None}, PLAIN["no signature"]),
    "two tokens": ({"auth_token": lambda: f"new\n{TOKEN}"}, PLAIN["a call"]),
    "no account": ({"account_sid": lambda: None}, PLAIN["another account"]),
    "no nodes": ({"nodes": lambda: None}, PLAIN["of a node's, signed for the fleet"]),
    "a bug": ({"journal": BrokenJournal}, PLAIN["a call"]),
    "Twilio's address": ({"entrypoint": lambda: Entrypoint.TWILIO}, PLAIN["a call"]),
    "the operator's address": ({"entrypoint": lambda: Entrypoint.OPERATOR}, PLAIN["a call"]),
    "of another process": ({"entrypoint": lambda: Entrypoint.COLLEAGUE}, PLAIN["a call"]),
}


@pytest.mark.parametrize("setting", SETTINGS)
async def test_whatever_is_configured(monkeypatch, autojump_clock, setting):
    changes, request = SETTINGS[setting]
    (*by_app, _), (*by_us, asked) = await both(monkeypatch, [request], **changes)
    assert by_us == by_app
    assert asked == (1 if setting == "the operator's address" else 0)


async def test_mutations_of_what_twilio_sends(monkeypatch, autojump_clock):
    """Whatever a stranger makes of them: no other answer, and nothing else is done."""
    chance, answered_by_us = random.Random(16), 0
    seeds = [PLAIN[name] for name in ("a call", "a call that was sent on", "a stream that failed", "no signature")]
    for _ in range(150):
        request = mutated(chance.choice(seeds), chance)
        (*by_app, asked_first), (*by_us, asked) = await both(monkeypatch, [request])
        if any(by and not way[0][0] for way, by in ((by_app, asked_first), (by_us, asked))):
            continue  # something has come behind it: see above
        assert by_us == by_app, request
        answered_by_us += asked == 0 and by_us[0][0] != b""
    assert answered_by_us > 30


def mutated(request, chance):
    """A request with one to three changes, most of them in its head."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(
            request.index(b"\r\n\r\n") if b"\r\n\r\n" in request and chance.random() < 0.8 else len(request)
        )
        letter = chance.choice([*b"\r\n \t:;,=&%?/+#\x00\xffaZ0", chance.randrange(256)]).to_bytes()
        match chance.randrange(5):
            case 0:
                request = request[:at] + letter + request[at + 1 :]
            case 1:
                request = request[:at] + letter + request[at:]
            case 2:
                request = request[:at] + request[at + 1 :]
            case 3:
                lines = request.split(b"\r\n")
                lines.insert(chance.randrange(1, len(lines)), chance.choice(lines))
                request = b"\r\n".join(lines)
            case _:
                request = request[:at] + request[at:].replace(b"e", b"E", 1)
    return request
