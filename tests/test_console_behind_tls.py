"""The console behind a proxy with TLS, by the files of `examples/console`: signing in, the feed, a telephone."""

import os
import ssl
import subprocess
from contextlib import contextmanager
from functools import partial

import httpx2
import pytest
import trio

from tests.balancers import EXAMPLES, free_port, program, started
from tests.daemons import open_world
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

HOST = "desk.example.com"
ORIGIN = f"https://{HOST}"
PATIENCE_SECONDS = 30


def certificate(folder):
    """A key and a certificate that nobody has signed but itself, in one file and in two."""
    key, crt, both = folder / "desk.key", folder / "desk.crt", folder / "desk.pem"
    subject = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", crt, *subject)
    subprocess.run([program("openssl"), *map(str, made)], check=True, capture_output=True)
    both.write_bytes(crt.read_bytes() + key.read_bytes())
    return crt


@contextmanager
def proxy(example, folder, behind):
    """A proxy with this example in front of an address; its port."""
    port = free_port()
    text = (EXAMPLES / "console" / example).read_text().replace("127.0.0.1:8081", behind)
    if example == "nginx.conf":
        text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("/etc/nginx", str(folder))
        text = text.replace("worker_processes auto", "worker_processes 1")
    elif example == "Caddyfile":
        text = text.replace(f"{HOST} {{", f"{HOST}:{port} {{\n\ttls {folder}/desk.crt {folder}/desk.key")
        text = "{\n\tadmin off\n\tauto_https off\n}\n" + text
    else:
        text = text.replace("bind :443", f"bind 127.0.0.1:{port}").replace("/etc/haproxy", str(folder))
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with started(example, text, folder, environment) as process:
        yield port, process


async def connected(port, process, trusted):
    """A TLS connection to the proxy, once it listens."""
    while True:
        assert process.poll() is None
        try:
            stream = trio.SSLStream(
                await trio.open_tcp_stream("127.0.0.1", port), trusted, server_hostname=HOST, https_compatible=True
            )
            await stream.do_handshake()
        except (OSError, trio.BrokenResourceError):
            await trio.sleep(0.05)
        else:
            return stream


async def read_until(stream, *wanted):
    """All that comes, until these words have."""
    data = b""
    while not all(words in data for words in wanted):
        more = await stream.receive_some()
        assert more, data
        data += more
    return data


@pytest.mark.parametrize("example", ["nginx.conf", "haproxy.cfg", "Caddyfile"])
async def test_the_console_is_signed_in_to_listened_to_and_called_by_through_it(example, tmp_path):
    trusted = ssl.create_default_context(cafile=certificate(tmp_path))
    with trio.fail_after(100):
        async with open_world(tmp_path, operator=f'127.0.0.1:0"\npublic_url = "{ORIGIN}', seconds=90) as world:
            with proxy(example, tmp_path, world.daemon.operator_url.removeprefix("http://")) as (port, process):
                connect = partial(connected, port, process, trusted)
                await (await connect()).aclose()
                async with httpx2.AsyncClient(
                    base_url=f"https://127.0.0.1:{port}", verify=trusted, trust_env=False, headers={"Host": HOST}
                ) as http:
                    ask = partial(http.request, extensions={"sni_hostname": HOST})
                    page = await ask("GET", "/console", headers={"Accept": "text/html"})
                    assert (page.status_code, 'type="password"' in page.text) == (200, True)
                    foreign = await ask(
                        "POST",
                        "/console/sign-in",
                        data={"token": OPERATOR_TOKEN},
                        headers={"Origin": "https://evil.example"},
                    )
                    assert foreign.status_code == 403
                    sent = {"data": {"token": OPERATOR_TOKEN}, "headers": {"Origin": ORIGIN, "Accept": "text/html"}}
                    signed = await ask("POST", "/console/sign-in", **sent)
                    assert (signed.status_code, signed.headers["location"]) == (303, "/console")
                    attributes = signed.headers["set-cookie"].split("; ")
                    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
                    cookie = attributes[0]
                    shut = await ask("GET", "/calls", headers={"Host": "other.example.com", "Cookie": cookie})
                    assert shut.status_code >= 400 or not shut.content  # the daemon's word or the proxy's
                    mine = {"Cookie": cookie, "Origin": ORIGIN}

                    # What happens is told as it does: nothing between keeps it.
                    feed = await connect()
                    await feed.send_all(f"GET /events HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\n\r\n".encode())
                    await read_until(feed, b" 200 ", b": hello")

                    promised = (
                        await ask("POST", "/browser-calls", json={"persona": "receptionist"}, headers=mine)
                    ).json()
                    assert promised["stream_url"].startswith(f"wss://{HOST}/media-stream/")
                    telephone = await connect()
                    await telephone.send_all(
                        (
                            f"GET {promised['stream_url'].removeprefix(f'wss://{HOST}')} HTTP/1.1\r\nHost: {HOST}\r\n"
                            f"Origin: {ORIGIN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                        ).encode()
                    )
                    await read_until(telephone, b" 101 ", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                    told = await read_until(feed, b"event: call", promised["call_id"].encode())
                    assert b'"browser"' in told
                    await telephone.aclose()
                    await read_until(feed, b"event: end")
                    await feed.aclose()

                    rows = "".join(f"+1415556{n:04},{'x' * 300}\n" for n in range(3_000))
                    brought = await ask(
                        "POST", "/console/do-not-call/import", files={"file": ("a.csv", rows)}, headers=mine
                    )
                    assert "3000 numbers were brought in" in brought.text
                    out = await ask("POST", "/console/sign-out", headers=mine)
                    assert out.status_code == 303
                    assert (await ask("GET", "/calls", headers=mine)).status_code == 401
