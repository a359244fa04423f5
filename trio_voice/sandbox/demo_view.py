"""What the demo shows on a terminal: a line for everything that happens, and two meters for who is speaking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

if TYPE_CHECKING:
    from trio_voice.sandbox.media_stream import MediaStreamPeer
    from trio_voice.sandbox.phone_line import PhoneLine
    from trio_voice.sandbox.voice_agent import AgentSession

LOOK_SECONDS: Final = 0.02
"""How often the demo looks at what has happened."""
_COLOURS: Final = {"caller": "cyan", "agent": "green", "barge-in": "yellow", "twilio": "magenta", "end": "bold"}
_BARS: Final = " ▁▂▃▄▅▆▇█"
_LOUDNESS: Final = bytes(255 - (code & 0x7F) * 2 for code in range(256))
"""From a mu-law code to something that grows with its loudness: the code's low bits are the inverted magnitude."""


class View:
    """A running commentary.

    Args:
        quiet: without meters, as it is without a terminal.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(highlight=False)
        self._meters = self._console.is_terminal and not quiet
        self._began = trio.current_time()

    def say(self, text: str) -> None:
        """A remark of the demo's own."""
        self._console.print(f"[dim]{escape(text)}[/dim]", soft_wrap=True)

    def title(self, text: str) -> None:
        """A new scene; its clock starts at zero."""
        self._began = trio.current_time()
        self._console.print(f"\n[bold]{escape(text)}[/bold]", soft_wrap=True)

    def line(self, who: str, text: str) -> None:
        """Something that happened, and when."""
        colour = _COLOURS.get(who, "white")
        at = trio.current_time() - self._began
        self._console.print(f"[dim]{at:6.2f} s[/dim]  [{colour}]{who:>8}[/{colour}]  {escape(text)}", soft_wrap=True)

    def check(self, what: str, kept: bool) -> bool:  # noqa: FBT001 - reads as a sentence where it is used
        """A promise, kept or not; returns which."""
        mark = "[green]✓[/green]" if kept else "[bold red]✗[/bold red]"
        self._console.print(f"  {mark} {escape(what)}", soft_wrap=True)
        return kept

    def end(self, record: dict[str, Any]) -> None:
        """How a call ended, in the daemon's own words."""
        self.line("end", f"{record['end_reason']}: {record['end_detail']}, after {record['seconds']:.1f} s")
        if record["turns"]:
            latencies = ", ".join(f"{turn['latency_ms']} ms" for turn in record["turns"])
            self.line("end", f"answers began {latencies} after the agent knew that the caller had finished")

    async def follow(self, stream: MediaStreamPeer, session: AgentSession) -> None:
        """Comment on a call until cancelled: what the agent heard and said, and what Twilio was told."""
        events = messages = looks = 0
        live = Live(console=self._console, transient=True, auto_refresh=False) if self._meters else None
        if live is not None:
            live.start()
        try:
            while True:
                for _, event in session.sent[events:]:
                    self._comment(event)
                events = len(session.sent)
                for message in stream.received[messages:]:
                    if message.event == "clear":
                        self.line("barge-in", "Twilio is told to throw away what it has not played")
                messages = len(stream.received)
                looks += 1
                if live is not None and looks % 4 == 0:
                    live.update(_meters(stream), refresh=True)
                await trio.sleep(LOOK_SECONDS)
        finally:
            if live is not None:
                live.stop()

    def _comment(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "transcript.user":
                self.line("agent", f"heard “{event['text']}”")
            case "transcript.agent":
                cut = ", when it was interrupted" if event["interrupted"] else ""
                self.line("agent", f"said “{event['text']}”{cut}")
            case "input.speech.started":
                self.line("agent", "notices that the caller speaks")
            case _:
                pass


def _meters(stream: MediaStreamPeer) -> Text:
    now = trio.current_time()
    return Text.assemble(
        "          ",
        ("caller ", "cyan"),
        (_meter(stream.spoken, now), "cyan"),
        "   ",
        ("agent ", "green"),
        (_meter(stream.line, now), "green"),
    )


def _meter(line: PhoneLine, now: float) -> str:
    """The last 800 ms of a line, 40 ms a bar."""
    recent = line.heard(now)[-6_400:]
    bars = []
    for start in range(0, len(recent), 320):
        loudest = max(recent[start : start + 320].translate(_LOUDNESS))
        bars.append(_BARS[min(8, max(0, (loudest - 32) // 26))])
    return "".join(bars).rjust(20)
