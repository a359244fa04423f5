"""Tasks of async tools: a user's coroutine that does not let itself be cancelled keeps no call from its end.

``except BaseException`` around an await, or a shield without a deadline, are easily written, and whoever waits for such
a task waits for ever. So each runs in a nursery that is older than all calls, and its call waits for it only so long.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

log: Final = structlog.stdlib.get_logger("trio_voice.tools")

ENDING_SECONDS: Final = 0.5
"""For a tool that was cancelled to put its things in order; a part of ``close_seconds``, which runs meanwhile."""

_nursery: trio.lowlevel.RunVar[trio.Nursery] = trio.lowlevel.RunVar("async_tools")


@asynccontextmanager
async def open_async_tools() -> AsyncIterator[None]:
    """Have a nursery for tools around the block, which is left once all of them have ended."""
    async with trio.open_nursery() as nursery:
        token = _nursery.set(nursery)
        try:
            yield
        finally:
            _nursery.reset(token)
            nursery.cancel_scope.cancel(reason="nobody waits for a tool any more")


async def run_async_tool(name: str, function: Callable[..., Awaitable[Any]], given: dict[str, Any]) -> Any:
    """Await a tool's function in a task of its own, if there is a nursery for it.

    Cancelling is safe: the tool is cancelled, and left behind, with a line in the log, if it has not ended
    ``ENDING_SECONDS`` later.

    Raises:
        BaseException: whatever the tool raised.
    """
    try:
        nursery = _nursery.get()
    except LookupError:
        return await function(**given)
    ended, scope = trio.Event(), trio.CancelScope()
    returned: Any = None
    failed: BaseException | None = None

    async def run() -> None:
        nonlocal returned, failed
        with scope:
            try:
                returned = await function(**given)
            except BaseException as raised:  # noqa: ASYNC103, BLE001 - raised to whoever waits, if anybody does
                failed = raised
        ended.set()

    nursery.start_soon(run, name=f"tool {name}")
    try:
        await ended.wait()
    except trio.Cancelled as cancelled:
        scope.cancel(reason="nobody waits for it any more")
        with trio.move_on_after(ENDING_SECONDS, shield=True):
            await ended.wait()
        if not ended.is_set():
            advice = "its task goes on until the daemon stops: let it raise trio.Cancelled on, and shield nothing"
            log.error("tool_does_not_end", tool=name, seconds=ENDING_SECONDS, advice=advice)  # noqa: TRY400 - no error of its own
        if failed is not None and not isinstance(failed, trio.Cancelled):
            raise BaseExceptionGroup("cancelled, and failed", [cancelled, failed]) from None  # noqa: ASYNC104 - with it
        raise
    if failed is not None:
        raise failed
    return returned
