"""Ways in which a call ends, and peers that do not answer its end."""

from trio_voice.limits import Limits
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import faults as f

LONG = Limits(idle_seconds=1_000)


async def drive_hangup(rig):
    rig.twilio.hang_up()


async def drive_caller_close(rig):
    await rig.caller_wire[1].aclose(1001)


async def drive_caller_cut(rig):
    rig.caller_wire[1].cut()


async def drive_model_close(rig):
    await rig.model_wire[1].aclose(1000)


async def drive_model_crash(rig):
    await rig.model_wire[1].aclose(1011)


async def drive_model_cut(rig):
    rig.model_wire[1].cut()


async def drive_operator(rig):
    rig.call.end(EndReason.OPERATOR, "")


async def drive_cancel(rig):
    rig.scope.cancel()


def never_answers(rig):
    rig.session.faults = f.Faults(never_acknowledges_end=True, ignores_close=True)
    rig.model_wire[1].mute_close()


def does_not_read(rig):
    rig.model_wire[0].stall_sends()


def caller_never_answers(rig):
    rig.caller_wire[1].mute_close()
    rig.twilio.vanish()


def caller_does_not_read(rig):
    rig.caller_wire[0].stall_sends()


def nobody_does_anything(rig):
    never_answers(rig)
    does_not_read(rig)
    caller_never_answers(rig)
    caller_does_not_read(rig)
