"""The commands that keep the do-not-call list and the account's numbers, and the one that signs in."""

from functools import partial

import httpx2
import trio
from click.testing import CliRunner

from tests.daemons import open_world
from trio_voice.cli import main
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN


async def run(world, *arguments):
    """Run one command against the daemon of a world; its exit status and what it printed."""
    config = world.config.with_name("command.toml")
    bound = world.daemon.operator_url.removeprefix("http://")
    config.write_text(
        world.config.read_text().replace('[operator]\nbind = "127.0.0.1:0"', f'[operator]\nbind = "{bound}"')
    )
    environment = {
        "TWILIO_AUTH_TOKEN": world.twilio.auth_token,
        "ASSEMBLYAI_API_KEY": "x",
        "TRIO_VOICE_API_TOKEN": OPERATOR_TOKEN,
    }
    arguments = ["--config", str(config), *map(str, arguments)]
    # Here, for a process of its own takes a second of a processor; in a thread, for Twilio's double is here, too.
    done = await trio.to_thread.run_sync(partial(CliRunner().invoke, main, arguments, env=environment))
    return done.exit_code, done.stdout, done.stderr


async def test_the_list_is_kept_numbers_are_pointed_and_the_operator_signs_in(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=220) as world:
        bought = world.twilio.rest.buy(
            "+15559876543", voice_url="https://other.example.org/voice", sms_url="https://x.example/"
        )
        assert await run(world, "do-not-call", "add", "+1 415 555 0101", "--reason", "asked") == (
            0,
            "+14155550101 is never called again\n",
            "",
        )
        file = tmp_path / "list.csv"
        file.write_text("number,reason\n+14155550102,=1+1\nnobody,x\n+14155550103,\n")
        status, said, complained = await run(world, "do-not-call", "import", file)
        assert (status, said) == (1, "2 numbers are never called again\n")
        assert complained.startswith("line 3: ")
        status, said, _ = await run(world, "do-not-call", "export")
        assert said.splitlines() == ["number,reason", "+14155550101,asked", "+14155550102,'=1+1", "+14155550103,"]
        assert (await run(world, "do-not-call", "remove", "+14155550101"))[0] == 0
        assert (await run(world, "do-not-call", "remove", "+14155550101"))[0] == 1

        status, said, _ = await run(world, "numbers")
        assert (status, "https://other.example.org/voice" in said) == (0, True)
        status, said, _ = await run(world, "numbers", "point", "+1 555 987 6543")
        assert (status, "+15559876543 went to https://other.example.org/voice (POST)" in said) == (0, True)
        assert (bought.voice_url, bought.voice_method) == ("https://voice.example.com/twiml", "POST")
        assert (bought.status_callback, bought.sms_url) == (
            "https://voice.example.com/call-status",
            "https://x.example/",
        )
        changed = next(each for each in world.twilio.rest.requests if each.method == "POST")
        assert set(changed.fields) == {"VoiceUrl", "VoiceMethod", "StatusCallback"}
        assert (await run(world, "numbers", "point", "+15550000000"))[0] == 1

        status, link, _ = await run(world, "console")
        assert status == 0
        assert OPERATOR_TOKEN not in link
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.post(link.strip())).status_code == 303
            assert (await http.get(f"{world.daemon.operator_url}/calls")).status_code == 200
