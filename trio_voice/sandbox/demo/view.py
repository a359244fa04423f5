"""View of the demo on a terminal: a line for everything that happens, and two meters for who is speaking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer
    from trio_voice.sandbox.twilio.playback_queue import PhoneLine

LOOK_SECONDS: Final = 0.02
"""Interval at which the demo looks at what has happened."""
ASK_EVERY: Final = 15
"""Looks between two questions to the daemon about what was said."""
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
        colour = _COLOURS.get(who.partition(" ")[0], "white")
        at = trio.current_time() - self._began
        self._print(f"[dim]{at:6.2f} s[/dim]  [{colour}]{who:>8}[/{colour}]", escape(text))

    def check(self, what: str, kept: bool) -> bool:  # noqa: FBT001 - reads as a sentence where it is used
        """A promise, kept or not; returns which."""
        mark = "[green]✓[/green]" if kept else "[bold red]✗[/bold red]"
        self._print(f"  {mark}", escape(what), gap=1)
        return kept

    def _print(self, head: str, text: str, *, gap: int = 2) -> None:
        """A line; on a terminal that is too narrow its text goes on below itself, not in the middle of a word."""
        if not self._console.is_terminal:
            self._console.print(f"{head}{' ' * gap}{text}", soft_wrap=True)
            return
        columns = Table.grid(padding=(0, gap, 0, 0))
        columns.add_column(no_wrap=True)
        columns.add_column()
        columns.add_row(head, text)
        self._console.print(columns)

    def end(self, record: dict[str, Any]) -> None:
        """Tell the end of a call in the daemon's own words."""
        self.line("end", f"{record['end_reason']}: {record['end_detail']}, after {record['seconds']:.1f} s")
        self._console.print(_figures(record))

    async def follow(self, stream: MediaStreamPeer, transcript: Callable[[], Awaitable[list[dict[str, Any]]]]) -> None:
        """Comment on a call until cancelled: what was said, as the daemon tells it, and what Twilio was told."""
        messages = looks = 0
        said = _Said(self)
        live = Live(console=self._console, transient=True, auto_refresh=False) if self._meters else None
        if live is not None:
            live.start()
        try:
            while True:
                for message in stream.received[messages:]:
                    if message.event == "clear":
                        self.line("barge-in", "Twilio is told to throw away what it has not played")
                messages = len(stream.received)
                looks += 1
                if looks % ASK_EVERY == 0:
                    said.show(await transcript())
                if live is not None and looks % 4 == 0:
                    live.update(_meters(stream), refresh=True)
                await trio.sleep(LOOK_SECONDS)
        finally:
            if live is not None:
                live.stop()


def _figures(record: dict[str, Any]) -> Table:
    """Figures of a call: its answers, and its meters.

    The agent's time runs from when it knows that the caller has finished, the caller's from their own last sound.
    """
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("answer", "the agent begins after", "the caller hears it after"):
        table.add_column(name, justify="right")
    for number, turn in enumerate(record["turns"], 1):
        table.add_row(str(number), _milliseconds(turn["latency_ms"]), _milliseconds(turn["heard_after_ms"]))
    cost = record["cost"]
    meters = {"telephone": record["seconds"], "model": sum(each["seconds"] for each in record["model_sessions"])}
    table.add_row(*(Text(name, "dim") for name in ("meter", "ran", "costs")))
    for name, seconds in meters.items():
        known = cost[name] is not None
        table.add_row(name, f"{seconds:.1f} s", f"{cost[name]:.4f} {cost['currency']}" if known else "no price known")
    return table


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"


class _Said:
    """Shows each line of a transcript once, when it has stopped changing."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._shown = 0
        self._last: dict[str, Any] | None = None

    def show(self, lines: list[dict[str, Any]]) -> None:
        """The transcript as it is now."""
        while self._shown < len(lines) and self._is_settled(lines):
            line = lines[self._shown]
            cut = ", when it was interrupted" if line["interrupted"] else ""
            said = "is understood" if line["role"] == "caller" else "said"
            words = f"{said}: “{line['text']}”{cut}" if line["text"] else "was interrupted before a word was heard"
            self._view.line(line["role"], words)
            self._shown += 1
        self._last = lines[-1] if lines else None

    def _is_settled(self, lines: list[dict[str, Any]]) -> bool:
        at = self._shown
        return at + 1 < len(lines) or lines[at] == self._last


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
