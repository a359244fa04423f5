"""Marks by which models tell thoughts, calls and the ends of their answers from what is to be said.

As their templates write them, where a server has left them in (templates of the models' own repositories, and issue
trackers of Ollama, llama.cpp, vLLM and OpenRouter, 2024 to 2026).
"""

from __future__ import annotations

import re
from typing import Final

TAGS: Final = (
    "think|thinking|thought|thoughts|reason|reasoning|reflection|analysis|scratch_?pad|plan|planning|cot|[a-z]{2,8}:think"
    "|chain_?of_?thought|deliberation|antthinking|inner_?(?:monologue|thoughts?)|internal_?(?:monologue|thoughts?)|(?:thinking|thought)_process"
    "|internal|private|hidden|rationale|critique|self_?(?:reflection|critique|talk)|notes?_?to_?self|assessment"
)
CALL_TAGS: Final = "(?:longcat_)?tool_?calls?|function_calls?|tool_code|tool_uses?|use_tool|tools?"
THOUGHT_ENDS: Final = re.compile(
    rf"<\s{{0,2}}/\s{{0,2}}(?:{TAGS}|details)\s{{0,3}}>|\[/THINK(?:ING)?\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>|<channel\|>"
    r"|<\|/think(?:ing)?\|>|<unused95>"
    r"|<\|end\|>|<\|channel\|>\s{0,3}final[^<]{0,40}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>",
    re.IGNORECASE,
)
THOUGHT_BEGINS: Final = re.compile(
    rf"<\s{{0,2}}(?:{TAGS})(?:\s[^<>/]{{0,80}})?>|<details\s[^<>]{{0,80}}reasoning[^<>]{{0,80}}>|\[THINK(?:ING)?\]|◁think▷"
    r"|<\|begin_of_thought\|>|<\|START_THINKING\|>|<\|channel\|?>\s{0,3}(?:analysis|thought)|<\|think(?:ing)?\|>"
    r"|<unused94>",
    re.IGNORECASE,
)
SILENT: Final = re.compile(
    r"<\|(?:start|start_header_id|im_start)\|>\s{0,3}(?:(?:assistant|user|system|model|tool|ipython)\b)?"
    r"(?:<\|end_header_id\|>)?|/no_think\b|<\|recipient\|>\s{0,3}all\s{0,3}<\|content\|>"
    r"|<\|channel\|>\s{0,3}(?:final|commentary)[^<]{0,40}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
    r"|<\|[^|<>\s]{1,40}\|>|</?s>|<(?:end|start)_of_turn>(?:model)?|<\|turn>(?:model)?|<turn\|>|\[/INST\]"
    r"|\[(?:BEGIN|END) FINAL RESPONSE\]|<｜[^<>\s]{1,40}｜>",
    re.IGNORECASE,
)
"""Tokens of a template that a server has left in."""
ANSWER_ENDS: Final = re.compile(
    r"<\|(?:im_end|eot_id|endoftext|end_of_text|return|user|human)\|>|<end_of_turn>|<turn\|>|\[INST\]"
    r"|<(?:tool|function)_(?:response|result|output)s?>|<\|tool_response\|?>"
    r"|\n(?:#{1,4}\s{0,2}|\*{1,2})?(?:user|human|caller|customer|observation)\s?:",
    re.IGNORECASE,
)
"""Marks behind which a talk stands that the model has made up."""
OBSERVATION: Final = "Observation:"
"""Behind it stands a result that the model has made up."""
_PREFIX: Final = "(?:[a-z]{2,12}:|｜DSML｜)?"
BLOCKS: Final = (
    (
        re.compile(
            rf"<({_PREFIX}(?:{CALL_TAGS}))(?:\s[^<>]{{0,100}})?>",
            re.IGNORECASE,
        ),
        "</{}>",
    ),
    (re.compile(r"<(function)[=(]", re.IGNORECASE), "</{}>"),
    (re.compile(rf"<({_PREFIX}invoke) ", re.IGNORECASE), "</{}>"),
    (re.compile(r"<start_(function_call)>", re.IGNORECASE), "<end_{}>"),
    (re.compile(r"<\|(tool_call)\|?>", re.IGNORECASE), "<|/{}|>"),
    (re.compile(r"<\|(tool_call)_start\|>", re.IGNORECASE), "<|{}_end|>"),
    (re.compile(r"<\|(tool_calls)_section_begin\|>", re.IGNORECASE), "<|{}_section_end|>"),
    (re.compile(r"<｜(tool▁calls?)▁begin｜>"), "<｜{}▁end｜>"),
    (re.compile(r"<｜(tool_calls?)_begin｜>"), "<｜{}_end｜>"),
    (re.compile(r"<\|channel\|>\s{0,3}(commentary)\s{1,3}to=", re.IGNORECASE), "<|call|>"),
    (re.compile(r"<\|start\|>assistant\s{1,3}(to)=functions", re.IGNORECASE), "<|call|>"),
    (re.compile(r"<\|python_(tag)\|>", re.IGNORECASE), "<|eom_id|>"),
    (re.compile(r"\[TOOL_(CALLS)\]"), "</s>"),
    (re.compile(r"\[TOOL_(REQUEST)\]"), "[END_TOOL_{}]"),
    (re.compile(r"``(`)"), "```"),
    (re.compile(r"✿(FUNCTION)✿"), "✿RESULT✿"),
    (re.compile(r"<\|recipient()\|>\s{0,3}(?!all\b)[\w.]{1,60}\s{0,3}\n"), "<|stop|>"),
    (re.compile(r">>>()\s{0,3}(?!all\b)[\w.]{1,60}\s{0,3}\n"), OBSERVATION),
    (re.compile(r"\n\s{0,3}action\s?:()", re.IGNORECASE), OBSERVATION),
)
"""Beginnings of blocks of calls, each with the words that end it (the end of the answer does, too)."""
