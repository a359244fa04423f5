"""The faults, and in which phases of a call each strikes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from rig import acts as act
from rig.call import BLOCKS, END_CALL, Phase
from rig.cases import Case, Fault, Told
from rig.manner import Answer, Goodbye, Handshake, Manner
from rig.protocols import KINDS, SPEAKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IN_CALL: Final = (Phase.GREETING, Phase.REPLY, Phase.TOOL)
OPENED: Final = (Phase.OPENING, *IN_CALL)
CONNECTING: Final = (Phase.HANDSHAKE, *OPENED)
ALL: Final = (Phase.START, *CONNECTING)
CLOSING: Final = (Phase.CLOSING,)

GOODBYES: Final = {
    "goodbye is ignored": Manner(goodbye=Goodbye.IGNORED),
    "goodbye and close are ignored": Manner(goodbye=Goodbye.IGNORED, answers_close=False),
    "goodbye answered, close ignored": Manner(answers_close=False),
    "goodbye answered by a reset": Manner(goodbye=Goodbye.RESET),
    "goodbye drowned in audio": Manner(goodbye=Goodbye.DROWNED),
    "goodbye answered by garbage": Manner(goodbye=Goodbye.GARBAGE),
}
"""Manners of a provider with a goodbye, when the caller has just hung up."""
FAULTS: Final = (
    # The caller's side
    Fault(words="caller hangs up", phases=ALL, acts=(act.hang_up,)),
    Fault(words="stop, socket left open", phases=ALL, acts=(act.say_stop,)),
    Fault(words="caller's socket cut", phases=ALL, acts=(act.cut_caller,)),
    Fault(words="caller's socket reset", phases=ALL, acts=(act.reset_caller,)),
    Fault(words="caller's frames are garbage", phases=IN_CALL, acts=(act.garble_caller,)),
    Fault(words="nonsense from Twilio, hang-up", phases=IN_CALL, acts=(act.confuse_caller, act.wait, act.hang_up)),
    Fault(words="caller stops reading, hangs up", phases=IN_CALL, acts=(act.stall_caller, act.wait_long, act.say_stop)),
    Fault(words="Twilio never starts", phases=(Phase.START,), acts=(act.nothing,), limit="start_seconds"),
    Fault(words="caller falls silent", phases=OPENED, acts=(act.silence_caller,), limit="unanswered mark"),
    Fault(words="caller vanishes", phases=IN_CALL, acts=(act.lose_caller,), limit="unanswered mark"),
    Fault(words="caller vanishes, Twilio reports it", phases=IN_CALL, acts=(act.report_stream_error,)),
    Fault(words="caller stops reading", phases=(Phase.REPLY,), acts=(act.stall_caller,), limit="unanswered mark"),
    # The model's side
    *(
        Fault(
            words=words,
            phases=phases,
            acts=(loses,),
            limit="last line",
            told=Told.CANNOT,
            is_owed=True,
            at_model=True,
        )
        for words, phases, loses in (
            ("model closes", OPENED, act.close_model),
            ("model's socket cut", CONNECTING, act.cut_model),
            ("model's socket reset", CONNECTING, act.reset_model),
            ("model fails and closes", OPENED, act.fail_model),
            ("model's frames are garbage", OPENED, act.garble_model),
        )
    ),
    Fault(
        words="nonsense from the model, hang-up",
        phases=IN_CALL,
        acts=(act.confuse_model, act.wait, act.hang_up),
        at_model=True,
    ),
    Fault(
        words="model refuses the handshake",
        phases=(Phase.HANDSHAKE,),
        acts=(act.nothing,),
        manner=Manner(handshake=Handshake.REFUSED),
        limit="last line",
        told=Told.CANNOT,
        is_owed=True,
        at_model=True,
    ),
    Fault(
        words="model never answers",
        phases=(Phase.HANDSHAKE,),
        acts=(act.nothing,),
        limit="ready and last line",
        told=Told.CANNOT,
        is_owed=True,
        at_model=True,
    ),
    Fault(
        words="model is never ready",
        phases=(Phase.OPENING,),
        acts=(act.nothing,),
        limit="ready and last line",
        is_owed=True,
        at_model=True,
        spares=(SPEAKING,),
    ),
    Fault(
        words="model falls silent",
        phases=IN_CALL,
        acts=(act.silence_model,),
        limit="no answer",
        is_owed=True,
        at_model=True,
    ),
    Fault(
        words="model vanishes",
        phases=IN_CALL,
        acts=(act.lose_model,),
        limit="gone and last line",
        told=Told.CANNOT,
        is_owed=True,
        at_model=True,
    ),
    Fault(
        words="model vanishes, caller hangs up",
        phases=OPENED,
        acts=(act.lose_model, act.wait_long, act.hang_up),
        told=Told.CANNOT,
        at_model=True,
    ),
    Fault(
        words="model stops reading, hang-up",
        phases=IN_CALL,
        acts=(act.stall_model, act.wait_long, act.hang_up),
        told=Told.CANNOT,
        at_model=True,
    ),
    Fault(
        words="session expires as soon as it began",
        phases=IN_CALL,
        acts=(act.send_away,),
        limit="last line",
        is_owed=True,
        kinds=("gemini-live",),
    ),
    # While closing
    *(
        Fault(words=words, phases=CLOSING, acts=(act.hang_up,), manner=manner, at_model=True)
        for words, manner in GOODBYES.items()
    ),
    Fault(
        words="both ignore every close",
        phases=CLOSING,
        acts=(act.lose_caller, act.say_stop),
        manner=Manner(goodbye=Goodbye.IGNORED, answers_close=False),
        at_model=True,
    ),
    # The server's own ends
    Fault(
        words="agent ends the call",
        phases=(Phase.TOOL,),
        acts=(act.say_goodbye, act.nothing),
        limit="goodbye",
        tool=END_CALL,
    ),
    Fault(words="caller hangs up, the tool blocks", phases=(Phase.TOOL,), acts=(act.hang_up,), tool=BLOCKS),
    Fault(words="SIGTERM", phases=ALL, acts=(act.drain,), limit="drain_seconds", ends_process=True),
)

WHILE_THINKING: Final = (Phase.THINKING,)
OF_CHAINS: Final = (
    Fault(words="caller hangs up", phases=WHILE_THINKING, acts=(act.hang_up,), manner=Manner(answer=Answer.HELD)),
    Fault(
        words="caller vanishes, Twilio reports it",
        phases=WHILE_THINKING,
        acts=(act.report_stream_error,),
        manner=Manner(answer=Answer.HELD),
    ),
    Fault(
        words="language model falls silent",
        phases=WHILE_THINKING,
        acts=(act.nothing,),
        manner=Manner(answer=Answer.HELD),
        limit="no answer",
        is_owed=True,
    ),
    Fault(
        words="language model refuses",
        phases=WHILE_THINKING,
        acts=(act.nothing,),
        manner=Manner(answer=Answer.REFUSED),
        limit="last line",
        is_owed=True,
    ),
    Fault(
        words="language model breaks off",
        phases=WHILE_THINKING,
        acts=(act.nothing,),
        manner=Manner(answer=Answer.CUT),
        limit="last line",
        is_owed=True,
    ),
    Fault(
        words="language model is reset",
        phases=WHILE_THINKING,
        acts=(act.nothing,),
        manner=Manner(answer=Answer.RESET),
        limit="last line",
        is_owed=True,
    ),
    Fault(
        words="language model answers garbage",
        phases=WHILE_THINKING,
        acts=(act.nothing,),
        manner=Manner(answer=Answer.GARBAGE),
        limit="last line",
        is_owed=True,
    ),
    Fault(
        words="language model talks nonsense, hang-up",
        phases=WHILE_THINKING,
        acts=(act.wait, act.hang_up),
        manner=Manner(answer=Answer.NONSENSE),
    ),
    Fault(
        words="language model never stops, hang-up",
        phases=WHILE_THINKING,
        acts=(act.wait_long, act.hang_up),
        manner=Manner(answer=Answer.ENDLESS),
    ),
)
"""Faults of the stage that is asked over HTTP. An answer that failed is asked for once more before that ends the
call."""


OF_TLS: Final = (
    Fault(
        words="TLS breaks",
        phases=OPENED,
        acts=(act.break_tls,),
        limit="last line",
        told=Told.CANNOT,
        is_owed=True,
        at_model=True,
    ),
    Fault(
        words="TLS alert",
        phases=OPENED,
        acts=(act.alert_tls,),
        limit="last line",
        told=Told.CANNOT,
        is_owed=True,
        at_model=True,
    ),
    Fault(
        words="TLS breaks, caller hangs up",
        phases=IN_CALL,
        acts=(act.break_tls, act.hang_up),
        told=Told.CANNOT,
        at_model=True,
    ),
)
"""Faults beneath the messages of a model that speaks TLS. The caller's frames come all the while, so both sockets have
news at once."""


def every_case(kind: str) -> Iterator[Case]:
    """All there are for a kind of model, in the order of the table."""
    about = KINDS[kind]
    for fault in (*FAULTS, *(OF_CHAINS if about.thinking is not None else ()), *(OF_TLS if about.tls else ())):
        if fault.kinds and kind not in fault.kinds:
            continue
        if about.tls and not fault.at_model and fault is not FAULTS[0]:
            continue
        stages = [stage for stage in about.sockets if stage not in fault.spares]
        for phase in fault.phases:
            for stage in stages if fault.at_model and len(about.sockets) > 1 else [""]:
                yield Case(fault, phase, kind, stage)


def cases_for(kinds: Sequence[str], wanted: Sequence[str]) -> list[Case]:
    """Those whose name has one of these words in it; all for none.

    Those that end the process come last, so that it serves all others first.
    """
    found = [case for kind in kinds for case in every_case(kind)]
    found = [case for case in found if not wanted or any(word in case.name for word in wanted)]
    ordinary = [case for case in found if not case.fault.ends_process]
    return list(itertools.chain(ordinary, (case for case in found if case.fault.ends_process)))
