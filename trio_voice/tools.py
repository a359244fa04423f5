"""The public address of tools: what a user's own tool module, and its tests, import.

The code is in ``call/tools.py``; the names here stay.
"""

from trio_voice.call.tools import (
    BUILT_IN,
    MAX_RESULT_BYTES,
    CallFacts,
    DoNotCall,
    Tool,
    end_call,
    generate_random_number,
    load_tools,
    transfer_to_human,
)

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
