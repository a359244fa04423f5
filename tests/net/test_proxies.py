"""Proxies: one rule for Twilio's API and for models, and nothing that shows only when a call ends."""

import base64
from contextlib import asynccontextmanager

import pytest
import trio

from trio_voice.edges.twilio.rest import TwilioRest, open_client_maker
from trio_voice.errors import ModelUnavailable, RestError
from trio_voice.events.stage import ModelRequest
from trio_voice.net.http import open_http
from trio_voice.net.proxies import Proxies, Proxy
from trio_voice.net.websocket import open_websocket

PROXY = "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    ("environment", "url", "host"),
    [
        ({}, "https://api.twilio.com", None),
        ({"https": PROXY}, "https://api.twilio.com", "proxy.example.com"),
        ({"https": PROXY}, "wss://agents.assemblyai.com/v1/ws", "proxy.example.com"),
        ({"https": PROXY}, "ws://10.0.0.5/v1/ws", None),
        ({"http": PROXY}, "ws://10.0.0.5/v1/ws", "proxy.example.com"),
        ({"all": PROXY}, "https://api.twilio.com", "proxy.example.com"),
        ({"all": "socks5://a", "https": PROXY}, "https://api.twilio.com", "proxy.example.com"),
        ({"https": PROXY, "no": "twilio.com"}, "https://api.twilio.com", None),
        ({"https": PROXY, "no": "*"}, "https://api.twilio.com", None),
        ({"https": PROXY, "no": "other.com"}, "https://api.twilio.com", "proxy.example.com"),
        ({"https": "proxy.example.com:3128"}, "https://api.twilio.com", "proxy.example.com"),
        ({"all": "socks5://a", "http": "nonsense://"}, "http://127.0.0.1:8080/", None),
        ({"all": "socks5://a"}, "wss://localhost/x", None),
        ({"all": "socks5://a"}, "http://[::1]:8080/", None),
        ({"all": ""}, "https://api.twilio.com", None),
    ],
)
def test_which_proxy_an_address_is_reached_by(environment, url, host):
    proxy = Proxies(environment).for_url(url)
    assert (proxy and proxy.host) == host


@pytest.mark.parametrize(
    ("variable", "spelt"),
    [
        ("ALL_PROXY", "socks5://user:s3cret@127.0.0.1:1080"),
        ("HTTPS_PROXY", "http://[::bad"),
        ("HTTPS_PROXY", "http://proxy:99999"),
        ("HTTPS_PROXY", "http://"),
        ("HTTPS_PROXY", "http://pro xy:3128"),
        ("HTTPS_PROXY", "https://proxy.example.com"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_and_tells_no_secret(variable, spelt):
    with pytest.raises(ValueError, match=f"^{variable}: must be a proxy like") as wrong:
        Proxies({variable.partition("_")[0].lower(): spelt}).for_url("https://api.twilio.com")
    assert "s3cret" not in str(wrong.value)


def test_a_proxys_password_is_sent_to_it_and_never_shown():
    proxy = Proxies({"https": "http://me:p%40ss@proxy:8080"}).for_url("https://api.twilio.com")
    assert proxy.authorization == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert "p%40ss" not in repr(proxy)


@asynccontextmanager
async def open_proxy(answer=b"HTTP/1.1 403 Forbidden\r\n\r\n"):
    """A proxy that answers everybody so, and remembers what it was asked."""
    asked = []

    async def serve(stream):
        data = b""
        while b"\r\n\r\n" not in data and (more := await stream.receive_some()):
            data += more
        asked.append(data.decode())
        await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        port = listener.socket.getsockname()[1]
        yield Proxy(f"http://me:pw@127.0.0.1:{port}", "127.0.0.1", port, "Basic bWU6cHc="), asked
        nursery.cancel_scope.cancel()


async def test_a_models_socket_goes_through_the_proxy():
    async with open_proxy() as (proxy, asked):
        with pytest.raises(ModelUnavailable, match=r"the proxy 127\.0\.0\.1 .* HTTP 403"):
            await open_websocket(
                "wss://models.example.com/v1", {"Authorization": "k3y"}, max_message_bytes=9, proxy=proxy
            )
    (said,) = asked
    assert said.split("\r\n") == [
        "CONNECT models.example.com:443 HTTP/1.1",
        "Host: models.example.com:443",
        "Proxy-Authorization: Basic bWU6cHc=",
        "",
        "",
    ]


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200", b"x" * 100_000, b"HTTP/1.1 abc d\r\n\r\n"]
)
async def test_a_proxy_that_answers_nonsense_is_a_model_that_cannot_be_reached(answer):
    async with open_proxy(answer) as (proxy, _):
        with trio.fail_after(20), pytest.raises(ModelUnavailable, match=r"the proxy 127\.0\.0\.1"):
            await open_websocket("ws://models.example.com/v1", {}, max_message_bytes=9, proxy=proxy)


async def test_a_refusal_of_the_proxy_s_is_understood_however_much_it_says_of_it():
    async with open_proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n" + b"x" * 50_000) as (proxy, _):
        with trio.fail_after(20), pytest.raises(ModelUnavailable, match="HTTP 407"):
            await open_websocket("ws://models.example.com/v1", {}, max_message_bytes=9, proxy=proxy)


async def test_what_a_proxy_says_commands_no_terminal():
    async with open_proxy(b"HTTP/1.1 502 \x1b]0;evil\x07" + b"z" * 5_000 + b"\r\n\r\n") as (proxy, _):
        rest = TwilioRest("AC1", "t0ken", "https://api.twilio.com", open_client_maker(proxy))
        with trio.fail_after(20), pytest.raises(RestError, match="502") as failed:
            await rest.reach()
    assert str(failed.value).isprintable()
    assert len(str(failed.value)) < 1_000


async def test_a_language_model_and_twilio_go_through_the_proxy():
    async with open_proxy() as (proxy, asked):
        async with open_http({"https://llm.example.com/v1": proxy}) as http:
            with pytest.raises(ModelUnavailable):
                async with http.post(ModelRequest(url="https://llm.example.com/v1/chat", headers={}, body=b"")):
                    pass
        rest = TwilioRest("AC1", "t0ken", "https://api.twilio.com", open_client_maker(proxy))
        with trio.move_on_after(2):
            await rest.hang_up("CA1")
    assert [each.partition("\r\n")[0] for each in asked[:2]] == [
        "CONNECT llm.example.com:443 HTTP/1.1",
        "CONNECT api.twilio.com:443 HTTP/1.1",
    ]
