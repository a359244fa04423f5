"""Everything that reads what strangers write, as functions of bytes; each may raise nothing but what it translates."""

import io
from contextlib import suppress

import msgspec
from werkzeug.datastructures import MultiDict
from werkzeug.formparser import parse_form_data

from trio_voice.config.reading import read_settings
from trio_voice.edges.twilio.signatures import is_signed
from trio_voice.errors import ConfigError, RemoteProtocolError
from trio_voice.journal.rows import call_of, run_of, session_of, utterance_of
from trio_voice.persona import Persona
from trio_voice.protocols.anthropic_messages import MessagesReader
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.protocols.assemblyai_streaming import AssemblyAiStreaming, AssemblyAiStreamingSettings
from trio_voice.protocols.cartesia import Cartesia, CartesiaSettings
from trio_voice.protocols.chat_answers import ChatReader
from trio_voice.protocols.deepgram_flux import DeepgramFlux, DeepgramFluxSettings
from trio_voice.protocols.elevenlabs import ElevenLabs, ElevenLabsSettings
from trio_voice.protocols.gemini_live import GeminiLiveSettings
from trio_voice.protocols.gemini_live.session import GeminiLiveSession
from trio_voice.protocols.media_streams import MediaStream
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSession, OpenAIRealtimeSettings
from trio_voice.protocols.server_sent_events import EventStreamReader
from trio_voice.protocols.websocket import WebSocket

PERSONA = Persona(name="p", model="m", greeting="Hello.")
TOOLS = {"look_up", "end_call"}
PIECE = 97
"""Bytes that arrive at once, where a reader takes pieces."""


def _messages(make):
    """A target that reads one message a line, with a session of its own."""

    def read(data):
        session, now = make(), 0.0
        for line in data.split(b"\n"):
            now += 0.1
            for message in (line.decode(errors="replace"), line):
                list(session.receive(message, now))
                if isinstance(message, str) and hasattr(session, "reply_audio"):
                    session.reply_audio(message)
            list(session.tick(now))
        list(session.explain_close(1011, "gone", now + 1))

    return read


def _pieces(make):
    def read(data):
        reader = make()
        for at in range(0, len(data), PIECE):
            reader.receive(data[at : at + PIECE])
        reader.end()

    return read


def codec(data):
    """Both ends of a WebSocket."""
    for client in (False, True):
        socket = WebSocket(client=client, max_message_bytes=65_536)
        for at in range(0, len(data), PIECE):
            if socket.close_code is None:
                socket.receive(data[at : at + PIECE])


def media_stream(data):
    """Twilio's stream."""
    stream = MediaStream()
    for line in data.split(b"\n"):
        stream.receive(line.decode(errors="replace"))
        stream.receive_payload(line)


def server_sent_events(data):
    """Bodies that are streamed."""
    reader = EventStreamReader()
    with suppress(RemoteProtocolError):  # an event that is too long
        for at in range(0, len(data), PIECE):
            reader.receive(data[at : at + PIECE])
        reader.end()


def configuration(data, path):
    """A file of an operator's."""
    path.write_bytes(data)
    problems = ["none"]
    try:
        read_settings(path, {})
    except ConfigError as wrong:
        problems = list(wrong.problems)
    assert problems
    assert not any("\n" in problem for problem in problems)


def journal_row(data):
    """Rows of a journal, as columns in JSON: what is not understood is left out by whoever reads many."""
    try:
        row = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return
    for read in (call_of, run_of, utterance_of, lambda columns: session_of(columns, [])):
        with suppress(ValueError, KeyError, TypeError, AttributeError, LookupError, msgspec.MsgspecError):
            read(row)  # ``journal/reading.py`` takes each row by itself, and names the one that is not understood


def form(data):
    """A form of Twilio's, and its signature."""
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.input": io.BytesIO(data),
    }
    _, fields, _ = parse_form_data(environ)
    assert isinstance(fields, MultiDict)
    is_signed(["https://voice.example.com/twiml"], fields.to_dict(flat=False), ["token"], "x" * 28)


TARGETS = {
    "codec": codec,
    "media_stream": media_stream,
    "assemblyai_agent": _messages(lambda: VoiceAgentSession(PERSONA)),
    "openai_realtime": _messages(
        lambda: OpenAIRealtimeSession(OpenAIRealtimeSettings(name="m", kind="openai-realtime", model="m"), PERSONA)
    ),
    "gemini_live": _messages(
        lambda: GeminiLiveSession(GeminiLiveSettings(name="m", kind="gemini-live", model="m"), PERSONA)
    ),
    "assemblyai_streaming": _messages(
        lambda: AssemblyAiStreaming(AssemblyAiStreamingSettings(kind="assemblyai-streaming"), PERSONA)
    ),
    "deepgram_flux": _messages(lambda: DeepgramFlux(DeepgramFluxSettings(kind="deepgram-flux"), PERSONA)),
    "elevenlabs": _messages(lambda: ElevenLabs(ElevenLabsSettings(kind="elevenlabs", voice="v"), PERSONA)),
    "cartesia": _messages(lambda: Cartesia(CartesiaSettings(kind="cartesia", voice="v"), PERSONA)),
    "server_sent_events": server_sent_events,
    "chat": _pieces(lambda: ChatReader(1, TOOLS)),
    "anthropic": _pieces(lambda: MessagesReader(1, TOOLS)),
    "journal_row": journal_row,
    "form": form,
}
