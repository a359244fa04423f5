"""Calls through a daemon that somebody else has started: what its operator writes, who rings, what it tells."""

import socket

import httpx2
import trio

from tests.daemons import CONFIG, GREETING, HOST, OUR_NUMBER, THEIR_NUMBER, eventually
from trio_voice.sandbox.demo.demo import AGENT_KEY
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configure(folder, town, bind):
    """Write what an operator puts into /etc/trio-voice, with the secrets in ``credentials``; the configuration."""
    config = CONFIG.format(
        bind=bind,
        host=HOST,
        workers=1,
        server="",
        operator="",
        account_sid=town.twilio.account_sid,
        our_number=OUR_NUMBER,
        api_url=town.twilio.api_url,
        twilio="",
        limits="drain_seconds = 60",
        journal="sqlite:///journal.db",
        dead_after=30,
        agent_url=town.agent.url,
        closed_port=free_port(),
        greeting=GREETING,
        personas="",
    )
    (folder / "config.toml").write_text(config)
    secrets = {
        "twilio_auth_token": town.twilio.auth_token,
        "assemblyai_api_key": AGENT_KEY,
        "trio_voice_api_token": OPERATOR_TOKEN,
    }
    for name, secret in secrets.items():
        file = folder / "credentials" / name
        file.write_text(secret + "\n")
        file.chmod(0o600)
    return config


async def talk(town):
    """Somebody calls, and the agent is on the line."""
    number = len(town.agent.sessions) + 1
    call = await town.twilio.call_in(
        f"https://{HOST}/twiml", from_=THEIR_NUMBER, to=OUR_NUMBER, status_callback=f"https://{HOST}/call-status"
    )
    with trio.fail_after(30):
        await call.wait_for_stream()
        session = await town.agent.wait_session(number)
    await eventually(lambda: session.payloads, seconds=30)
    return call


async def health(port):
    async with httpx2.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://127.0.0.1:{port}/healthz")).json()


async def hang_up(town, call):
    call.hang_up()
    with trio.fail_after(30):
        await call.settled.wait()
    await eventually(lambda: not town.agent.open_sessions, seconds=30)
