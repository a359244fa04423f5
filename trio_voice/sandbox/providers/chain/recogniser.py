"""Common ground of the chain's recognisers: sound in, utterances understood in order, an end when nobody feeds it."""

from typing import Any, Final

import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.agent.backend import AgentBackend
from trio_voice.sandbox.providers.chain.wire import StageSession, StageWire
from trio_voice.speech import SpeechStarted

WAITING_UTTERANCES: Final = 10
UNDERSTAND_SECONDS: Final = 15.0
BYTES_PER_MS: Final = 8


class Recogniser:
    """Serves one socket. A provider's own says what happens in its words, and when a turn is over."""

    def __init__(self, channel: Channel, session: StageSession, backend: AgentBackend) -> None:
        self._session = session
        self._backend = backend
        self._wire = StageWire(channel, session, self._hear)
        self._utterances_in, self._utterances = trio.open_memory_channel[bytes](WAITING_UTTERANCES)
        self._heard_bytes = 0
        self._fed_at = trio.current_time()
        self._parts: list[str] = []
        """Parts of the turn that were understood."""
        self._speaking = False
        self._understanding = 0
        """Utterances whose words are not known yet."""

    async def run(self) -> None:
        """Serve until either side ends it."""
        await self._wire.run(self._begin)

    def _begin(self) -> None:
        if not self._session.faults.never_ready:
            for task in (self._become_ready, self._listen, self._expire):
                self._wire.nursery.start_soon(task)

    async def _become_ready(self) -> None:
        await trio.sleep(self._session.faults.ready_delay_seconds)
        self._session.ready_at = trio.current_time()
        self._say_ready()

    async def _expire(self) -> None:
        """End a session that nobody feeds."""
        limit = self._idle_seconds()
        while trio.current_time() < self._fed_at + limit:  # noqa: ASYNC110 - sound that comes meanwhile moves it
            await trio.sleep_until(self._fed_at + limit)
        self._fail_idle()

    async def _listen(self) -> None:
        async for utterance in self._utterances:
            with trio.move_on_after(UNDERSTAND_SECONDS):
                self._parts += filter(None, [await self._backend.transcribe(utterance)])
            self._understanding -= 1
            if not (self._speaking or self._understanding):  # or the caller has gone on: still the same turn
                self._understood()
        self._say_over()

    # A provider's own

    def _hear(self, message: str | bytes) -> None:
        raise NotImplementedError

    def _idle_seconds(self) -> float:
        raise NotImplementedError

    def _fail_idle(self) -> None:
        raise NotImplementedError

    def _say_ready(self) -> None:
        raise NotImplementedError

    def _started(self, report: SpeechStarted) -> None:
        raise NotImplementedError

    def _stopped(self) -> None:
        """The caller pauses."""

    def _understood(self) -> None:
        """All that was said of the turn so far is known."""
        raise NotImplementedError

    def _say_over(self) -> None:
        """The client has said goodbye, and all that was heard before is understood."""
        raise NotImplementedError

    # What the client says

    def _take_sound(self, sound: bytes, *, before_ready: Any) -> bool:
        """Hear mu-law; false, and a complaint under that code, if the session is not ready."""
        if self._session.ready_at is None:
            self._session.complain(before_ready, "sound before the session was ready")
            return False
        self._heard_bytes += len(sound)
        if self._session.keeps_audio:
            self._session.audio += sound
        for report in self._backend.ears.hear(sound):
            self._speaking = isinstance(report, SpeechStarted)
            if isinstance(report, SpeechStarted):
                self._started(report)
                continue
            self._stopped()
            try:
                self._utterances_in.send_nowait(report.utterance)
                self._understanding += 1
            except trio.WouldBlock:
                self._session.complain("", "speaks faster than it can be understood")
            except trio.ClosedResourceError:
                pass  # after the goodbye
        return True

    def _take_goodbye(self) -> None:
        """Tell what was heard before the goodbye."""
        self._session.told_goodbye = True
        self._session.ended_at = trio.current_time()
        if not self._session.faults.never_acknowledges_end:
            self._utterances_in.close()
