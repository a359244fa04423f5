"""Acts on a call: one each, on either side of the server under test."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

import trio

from rig.call import MOMENT_SECONDS

if TYPE_CHECKING:
    from rig.call import Call

GOODBYE_MS: Final = 400


async def hang_up(call: Call) -> None:
    await call.phone.hang_up()


async def say_stop(call: Call) -> None:
    await call.phone.say_stop()


async def cut_caller(call: Call) -> None:
    await call.phone.cut()


async def reset_caller(call: Call) -> None:
    call.phone.reset()


async def silence_caller(call: Call) -> None:
    call.phone.fall_silent()


async def stall_caller(call: Call) -> None:
    call.phone.stop_reading()


async def lose_caller(call: Call) -> None:
    call.phone.vanish()


async def report_stream_error(call: Call) -> None:
    call.phone.vanish()
    await call.phone.report_stream_error()


async def garble_caller(call: Call) -> None:
    await call.phone.talk_garbage()


async def confuse_caller(call: Call) -> None:
    await call.phone.talk_nonsense()


async def close_model(call: Call) -> None:
    call.model.leave(call.stage)
    await call.struck.close(1000, "bye")


async def cut_model(call: Call) -> None:
    call.model.leave(call.stage)
    call.struck.fall_silent()
    await call.struck.line.finish()


async def reset_model(call: Call) -> None:
    call.model.leave(call.stage)
    call.struck.line.reset()


async def fail_model(call: Call) -> None:
    call.model.leave(call.stage)
    await call.struck.fail()


async def garble_model(call: Call) -> None:
    call.model.leave(call.stage)
    await call.struck.talk_garbage()


async def confuse_model(call: Call) -> None:
    await call.struck.talk_nonsense()


async def break_tls(call: Call) -> None:
    call.model.leave(call.stage)
    await call.struck.line.send_beneath(b"this is no record of TLS")


async def alert_tls(call: Call) -> None:
    """A fatal alert in clear (bad_record_mac), as a broken box on the way sends it."""
    call.model.leave(call.stage)
    await call.struck.line.send_beneath(b"\x15\x03\x03\x00\x02\x02\x14")


async def silence_model(call: Call) -> None:
    call.model.leave(call.stage)
    call.struck.fall_silent()


async def stall_model(call: Call) -> None:
    call.struck.stop_reading()


async def lose_model(call: Call) -> None:
    call.model.leave(call.stage)
    call.struck.vanish()


async def wait(call: Call) -> None:
    del call
    await trio.sleep(MOMENT_SECONDS)


async def wait_long(call: Call) -> None:
    """Until the buffers on the way to who does not read are full, but not until anybody can have given up."""
    del call
    await trio.sleep(1.5)


async def nothing(call: Call) -> None:
    """Do nothing: the phase itself has done what is the sign."""
    del call


async def drain(call: Call) -> None:
    call.server.tell(signal.SIGTERM)


async def send_away(call: Call) -> None:
    await call.struck.say(call.struck.protocol.going())


async def say_goodbye(call: Call) -> None:
    """The agent says its last sentence; the call is to end when it has been heard."""
    await call.model.say_goodbye(GOODBYE_MS)
