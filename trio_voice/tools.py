"""The public address of tools: what a user's own tool module, and its tests, import.

The code is in ``call/``; the names here stay.
"""

from trio_voice.call.built_in_tools import BUILT_IN, DoNotCall, end_call, generate_random_number, transfer_to_human
from trio_voice.call.tool_loading import load_tools
from trio_voice.call.tools import MAX_RESULT_BYTES, CallFacts, Tool

__all__ = [
    "BUILT_IN",
    "MAX_RESULT_BYTES",
    "CallFacts",
    "DoNotCall",
    "Tool",
    "end_call",
    "generate_random_number",
    "load_tools",
    "transfer_to_human",
]
