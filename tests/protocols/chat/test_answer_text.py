"""Contents of an answer's text: words, thoughts, and calls written as text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.protocols.chat.answer_text import AnswerText
from trio_voice.protocols.chat.written_calls import MAX_VALUES, MAX_WRITTEN

TOOLS = {"look_up", "end_call"}
MONDAY = [("look_up", {"day": "Monday"})]


def read(*pieces, **more):
    """Speech of an answer that comes in pieces, and the calls in it."""
    text, said = AnswerText(TOOLS, **more), ""
    for heard in [*map(text.add, pieces), text.end()]:
        said = heard.said if heard.unsaid else said + heard.said
    return said.strip(), text.calls


INVOKED = (
    '<function_calls><invoke name="look_up"><parameter name="day" x="1">Monday</parameter></invoke></function_calls>'
)

CASES = [
    # Hermes: attributes, commas, line breaks
    ('<tool_call id="1">{"name": "look_up", "arguments": {"day": "Monday"}}</tool_call>', "", MONDAY),
    ('<tool_call name="look_up">{"day": "Monday"}</tool_call>', "", MONDAY),
    ('<tool_call >{"name": "look_up", "arguments": {"day": "Monday",}}</tool_call>', "", MONDAY),
    (
        '<tool_call>{"name": "look_up", "arguments": {"day": "Mon\nday"}}</tool_call>',
        "",
        [("look_up", {"day": "Mon\nday"})],
    ),
    # Functionary, Qwen's first, gpt-oss without its tokens
    ('>>>all\nOne moment.>>>look_up\n{"day": "Monday"}>>>end_call\n{}', "One moment.", [*MONDAY, ("end_call", {})]),
    ('<|recipient|>look_up\n<|content|>{"day": "Monday"}<|stop|>', "", MONDAY),
    ("<|recipient|>all\n<|content|>Yes.", "Yes.", []),
    ('✿FUNCTION✿: look_up\n✿ARGS✿: {"day": "Monday"}\n✿RESULT✿', "", MONDAY),
    ('analysisThey ask.assistantcommentary to=functions.look_up json{"day":"Monday"}', "", MONDAY),
    # Labels
    ('Tool call: look_up({"day": "Monday"})', "", MONDAY),
    ('Function call: look_up\nArguments: {"day": "Monday"}', "", MONDAY),
    ('Call: {"name": "look_up", "arguments": {"day": "Monday"}}', "", MONDAY),
    ("Call: five five five.", "Call: five five five.", []),
    # Thoughts
    ("<mm:think>They ask.</mm:think>Yes.", "Yes.", []),
    ("<scratch_pad>They ask.</scratch_pad>Yes.", "Yes.", []),
    ("<chain_of_thought>They ask.</chain_of_thought>Yes.", "Yes.", []),
    ("[thinking]They ask.[/thinking]Yes.", "Yes.", []),
    ("### Thinking\nThey ask.\n\n### Response\nYes.", "Yes.", []),
    ("Thinking of you. Answer: no.", "Thinking of you. Answer: no.", []),
    # Tokens behind the answer, and before it
    ("Yes.<|end|><|user|>And then?", "Yes.", []),
    ("<|im_start|>We close.", "We close.", []),
    ("Yes.\n/no_think", "Yes.", []),
    ("Either/nor, 2 >> 1 and/think.", "Either/nor, 2 >> 1 and/think.", []),
    ("<think>They ask.</think>\n\nWe close at five.", "We close at five.", []),
    ("<THINKING>They <b>ask</b>.</THINKING>Yes.", "Yes.", []),
    ("[THINK]They ask.[/THINK]Yes.", "Yes.", []),
    ("◁think▷They ask.◁/think▷Yes.", "Yes.", []),
    ("<think></think>Yes.", "Yes.", []),
    ("Yes. <think>Was that right?</think> We close.", "Yes.  We close.", []),
    ("<think>never ends", "", []),
    ("They ask.</think>We close.", "We close.", []),
    (
        "<|channel|>analysis<|message|>They ask.<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
        "Yes.",
        [],
    ),
    ('<|channel|>commentary to=functions.look_up <|constrain|>json<|message|>{"day":"Monday"}<|call|>', "", MONDAY),
    ('<tool_call>{"name": "look_up", "arguments": {"day": "Monday"}}</tool_call>', "", MONDAY),
    ('<tool_call>{"name": "look_up", "arguments": {"day": "Monday"}}', "", MONDAY),
    ('Let me see.\n<tool_call>\n{"name": "look_up", "arguments": "{\\"day\\": \\"Monday\\"}"}', "Let me see.", MONDAY),
    (
        '<tool_call>\n{"name":"look_up"}\n{"name":"end_call","arguments":null}\n</tool_call>',
        "",
        ["look_up", "end_call"],
    ),
    (
        "<tool_call>\n<function=look_up>\n<parameter=day>\nMonday\n</parameter>\n</function>\n</tool_call>",
        "",
        MONDAY,
    ),
    ("<tool_call>look_up\n<arg_key>day</arg_key>\n<arg_value>Monday</arg_value>\n</tool_call>", "", MONDAY),
    ('<function=look_up>{"day": "Monday"}</function>', "", MONDAY),
    ('<function_calls><invoke name="look_up"><parameter name="day">Monday</parameter></invoke>', "", MONDAY),
    ('{"name": "look_up", "parameters": {"day": "Monday"}}', "", MONDAY),
    ('{"type":"function","function":{"name":"look_up","arguments":{"day":"Monday"}}}', "", MONDAY),
    ('{"tool_calls":[{"function":{"name":"look_up","arguments":{"day":"Monday"}}}]}', "", MONDAY),
    ('{"tool": "look_up", "tool_input": {"day": "Monday"}}', "", MONDAY),
    ('{"look_up": {"day": "Monday"}}', "", MONDAY),
    ('[{"name": "look_up", "arguments": {"day": "Monday"}}]', "", MONDAY),
    ('One moment.\n{"name": "look_up", "arguments": {"day": "Monday"}}', "One moment.", MONDAY),
    ('```json\n{"name": "look_up", "arguments": {"day": "Monday"}}\n```', "", MONDAY),
    ('Sure:\n```\n{"name": "look_up", "arguments": {"day": "Monday"}}\n```', "Sure:", MONDAY),
    ('```tool_code\nlook_up(day="Monday")\n```', "", MONDAY),
    ('[TOOL_CALLS] [{"name": "look_up", "arguments": {"day": "Monday"}}]', "", MONDAY),
    ('[TOOL_CALLS]look_up[ARGS]{"day": "Monday"}', "", MONDAY),
    ('<|python_tag|>{"name": "look_up", "parameters": {"day": "Monday"}}<|eom_id|>', "", MONDAY),
    ('<|python_tag|>look_up.call(day="Monday")', "", MONDAY),
    ('[look_up(day="Monday")]', "", MONDAY),
    ("look_up(day='Monday')", "", MONDAY),
    (
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n{"day":"Monday"}\n```<｜tool▁call▁end｜>',
        "",
        MONDAY,
    ),
    ('<tool_call>{"name": "launch", "arguments": {}}</tool_call>', "", []),
    ('{"name": "launch", "arguments": {}}', "", []),
    ('{"name": "look_up", "argu', "", []),
    ("<function=launch>{}</function>", "", []),
    ('{"response": "We close at five."}', "We close at five.", []),
    ("We close at five.<|im_end|></s>", "We close at five.", []),
    # behind other words, qualified, in brackets, as an element
    ('Sure. {"name": "look_up", "arguments": {"day": "Monday"}}', "Sure.", MONDAY),
    ('Let me see: look_up({"day": "Monday"})', "Let me see:", MONDAY),
    ('print(default_api.look_up(day="Monday"))', "", MONDAY),
    ("<look_up><day>Monday</day></look_up>", "", MONDAY),
    ("Goodbye! end_call()", "Goodbye!", ["end_call"]),
    ("Goodbye! [end_call]", "Goodbye!", ["end_call"]),
    ("Goodbye! {end_call}", "Goodbye!", ["end_call"]),
    ("Goodbye! [END_CALL]", "Goodbye!", ["end_call"]),
    ("Goodbye! [end call]", "Goodbye!", ["end_call"]),
    ("Goodbye! [End-Call]", "Goodbye!", ["end_call"]),
    ("Goodbye! [Tool: end_call]", "Goodbye!", ["end_call"]),
    ("Goodbye! `end_call`", "Goodbye!", ["end_call"]),
    ("Goodbye! `end_call()`", "Goodbye!", ["end_call"]),
    ("Say [end of the day] or `end`.", "Say [end of the day] or `end`.", []),
    ("Say [look it up] or (end call).", "Say [look it up] or (end call).", []),
    ("Goodbye! <end_call/>", "Goodbye!", ["end_call"]),
    ("Goodbye! <end_call></end_call>", "Goodbye!", ["end_call"]),
    ('Goodbye! {"name": "end_call"}', "Goodbye!", ["end_call"]),
    # what vendors put before the names of their tags
    *(
        (INVOKED.replace("<", f"<{prefix}").replace(f"<{prefix}/", f"</{prefix}"), "", MONDAY)
        for prefix in ("minimax:", "｜DSML｜", "antml:")
    ),
    ('<TOOLCALL>[{"name": "look_up", "arguments": {"day": "Monday"}}]</TOOLCALL>', "", MONDAY),
    # thoughts of other notations, and of gpt-oss where its tokens were taken out
    ('<thinking type="deep">They ask.</thinking>Yes.', "Yes.", []),
    ('<details type="reasoning"><summary>2 s</summary>They ask.</details>Yes.', "Yes.", []),
    ("<|channel>thought\nThey ask.\n<channel|>Yes.", "Yes.", []),
    ("analysis<|message|>They ask.<|end|><|start|>assistant<|channel|>final<|message|>Yes.", "Yes.", []),
    ("analysisThey ask.assistantfinalYes.", "Yes.", []),
    ('<|start|>assistant to=functions.look_up<|channel|>commentary<|message|>{"day":"Monday"}<|call|>', "", MONDAY),
    ('commentary to=functions.look_up json{"day":"Monday"}', "", MONDAY),
    # whoever speaks, and a talk that is made up behind the answer
    ("Assistant: We close at five.", "We close at five.", []),
    ("We close at five.\nUser: And on Sunday?\nAssistant: Never.", "We close at five.", []),
    ("We close at five.<|im_end|>\n<|im_start|>user\nAnd on Sunday?", "We close at five.", []),
    ("We close at five.<end_of_turn>\n<start_of_turn>user\nAnd on Sunday?", "We close at five.", []),
    ("We close at five.[/INST]", "We close at five.", []),
    ('>>>look_up\n{"day": "Monday"}', "", MONDAY),
    (">>>all\nYes, we do.", "Yes, we do.", []),
    ("> Yes, we do.", "> Yes, we do.", []),
    # a result that is made up
    (
        '<tool_call>{"name":"look_up","arguments":{"day":"Monday"}}</tool_call><tool_response>1</tool_response>Done.',
        "",
        MONDAY,
    ),
    ("Yes.\n<function_results>1</function_results> Done.", "Yes.", []),
    ("assistantfinalYes, we do.", "Yes, we do.", []),
    ("Final offer: five.", "Final offer: five.", []),
    # words
    ("Agents call back: users wait.\nUsers are people.", "Agents call back: users wait.\nUsers are people.", []),
    ("Analysis is free. Ask (end_call is a tool).", "Analysis is free. Ask (end_call is a tool).", []),
    ("1 < 2, [laughs] and {so} on: `x`.", "1 < 2, [laughs] and {so} on: `x`.", []),
    ("[laughs] Yes (we do).", "[laughs] Yes (we do).", []),
    ("Call look_up(day) yourself.", "Call look_up(day) yourself.", []),
    ("look up the day (Monday)", "look up the day (Monday)", []),
    ("```\nWe close at five.\n```", "We close at five.", []),
    ("We are <b>open</b>", "We are <b>open</b>", []),
    # more notations of calls
    (
        '<|START_ACTION|>[{"tool_call_id":"0","tool_name":"look_up","parameters":{"day":"Monday"}}]<|END_ACTION|>',
        "",
        MONDAY,
    ),
    ("<start_function_call>call:look_up{day:<escape>Monday<escape>}<end_function_call>", "", MONDAY),
    ('<|tool_call>call:look_up{day:<|"|>Monday<|"|>}<tool_call|>', "", MONDAY),
    ("<tool_call>\n{'name': 'look_up', 'arguments': {'day': 'Monday'}}\n</tool_call>", "", MONDAY),
    ('<function(look_up)>{"day": "Monday"}</function>', "", MONDAY),
    ("<tool_call>end_call</tool_call>", "", ["end_call"]),
    ("<tool_call>end_call", "", ["end_call"]),
    # Python's strings and lists, with the brackets and quotes in them
    ('look_up(day="the \\"first (Monday")', "", [("look_up", {"day": 'the "first (Monday'})]),
    ('look_up(days=["Monday", "Sunday"])', "", [("look_up", {"days": ["Monday", "Sunday"]})]),
    ('{"function_call": {"name": "look_up", "arguments": "{\\"day\\": \\"Monday\\"}"}}', "", MONDAY),
    ("<tool_use><tool_name>look_up</tool_name><parameters><day>Monday</day></parameters></tool_use>", "", MONDAY),
    (
        '<｜tool_calls_begin｜><｜tool_call_begin｜>look_up<｜tool_sep｜>{"day":"Monday"}<｜tool_calls_end｜>',
        "",
        MONDAY,
    ),
    ('look_up[ARGS]{"day": "Monday"}', "", MONDAY),
    ('look_up\n{"day": "Monday"}', "", MONDAY),
    (' functools[{"name": "look_up", "arguments": {"day": "Monday"}}]', "", MONDAY),
    ('Thought: I need to look.\nAction: look_up\nAction Input: {"day": "Monday"}\nObservation: Yes.', "", MONDAY),
    ('Action: look_up\nAction Input: {"day": "Monday"}', "", MONDAY),
    ("I now call `look_up(day='Monday')`", "I now call ``", MONDAY),
    ("Goodbye! *calls end_call*", "Goodbye!", ["end_call"]),
    ("Goodbye! (end_call)", "Goodbye!", ["end_call"]),
    # words that gpt-oss says before a call, and labels of thoughts
    (
        (
            "<|channel|>commentary<|message|>Let me look.<|end|>"
            '<|start|>assistant<|channel|>commentary to=functions.look_up<|message|>{"day":"Monday"}<|call|>'
        ),
        "Let me look.",
        MONDAY,
    ),
    ("Thought: They ask.\nFinal Answer: We close.", "We close.", []),
    ("**Thinking:** They ask.\n\n**Answer:** We close.".replace("**", ""), "We close.", []),
    ("Here is my thought process:\nThey ask.\n\nHere is my response:\nWe close.", "We close.", []),
    ("Here are my reasoning steps:\nThey ask.\n[BEGIN FINAL RESPONSE]We close.[END FINAL RESPONSE]", "We close.", []),
    ("Thought: nothing ends this.", "nothing ends this.", []),
    ("<inner_monologue>They ask.</inner_monologue>Yes.", "Yes.", []),
    ("<think >They ask.</think >Yes.", "Yes.", []),
    ("<|think|>They ask.<|/think|>Yes.", "Yes.", []),
    ("<unused94>thought\nThey ask.<unused95>Yes.", "Yes.", []),
    # roles, and talks that are made up
    ("**Assistant:** We close.", "We close.", []),
    ("assistant\n\nWe close.", "We close.", []),
    ("Assistant managers close.", "Assistant managers close.", []),
    ("### Response:\nWe close.", "We close.", []),
    ("<|im_start|>assistant\nWe close.<|im_end|>", "We close.", []),
    ("We close.\n### User:\nAnd then?", "We close.", []),
    ("We close. [INST] And then?", "We close.", []),
    # words
    ("Here is my advice: wait.", "Here is my advice: wait.", []),
    ("Thoughts are free. *Really* free (mostly).", "Thoughts are free. *Really* free (mostly).", []),
    ("**Answers** come\n## Later\n- on", "**Answers** come\n## Later\n- on", []),
    ("look_up is a tool.", "look_up is a tool.", []),
]


@pytest.mark.parametrize(("text", "said", "calls"), CASES, ids=range(len(CASES)))
def test_an_answer_wherever_its_pieces_end(text, said, calls):
    for size in (len(text), 1, 2, 3, 5, 8, 13):
        heard, made = read(*(text[at : at + size] for at in range(0, len(text), size)))
        assert heard == said
        assert (made if not calls or isinstance(calls[0], tuple) else [name for name, _ in made]) == calls


@pytest.mark.parametrize(
    "written",
    [
        '{"name": "look_up", "arguments": "on Monday"}',
        'look_up {"day": Monday}',
        'look_up ["Monday"]',
        "look_up on Monday",
        "look_up(day=today)",
        'look_up("Monday")',
        'look_up({"day": today})',
        'look_up(day="Monday"',
    ],
)
def test_a_call_whose_arguments_cannot_be_told_is_neither_said_nor_run(written):
    assert read(f"One moment. <tool_call>{written}</tool_call>") == ("One moment.", [])


def test_a_call_behind_one_whose_arguments_cannot_be_told_is_run():
    for broken in ('look_up {"day": Monday}', "look_up(day=today)", "look_up, then"):
        assert read(f"<tool_call>{broken} end_call()</tool_call>") == ("", [("end_call", {})])


def test_a_name_that_is_written_again_and_again_is_looked_at_some_times_only():
    assert read("<tool_call>" + "look_up, " * 10 + "end_call()</tool_call>") == ("", [("end_call", {})])
    assert read("<tool_call>" + "look_up, " * MAX_VALUES + "end_call()</tool_call>") == ("", [])


def test_words_do_not_wait():
    text = AnswerText(TOOLS)
    assert text.add("We close").said == "We close"
    assert text.add(" at five. And").said == " at five. And"
    assert text.add(" <").said == " "
    assert text.add("5 more").said == "<5 more"


def test_thoughts_that_a_server_is_known_to_begin_with_wait_for_their_end():
    assert read("They ask.", "</think>We close.", thinks_first=True) == ("We close.", [])
    assert read("We close.", thinks_first=True) == ("We close.", [])


def test_a_block_that_never_ends_is_neither_said_nor_run():
    assert read('{"name": "look_up", "x": "' + "y" * 3 * MAX_WRITTEN + '"}') == ("", [])
    assert read("<tool_call>" + "y" * 3 * MAX_WRITTEN + "</tool_call>") == ("", [])


@pytest.mark.parametrize("size", [4 * MAX_WRITTEN, 1_000, 7])
@pytest.mark.parametrize(
    "block", ['<tool_call>{{"name": "end_call", "x": "{}"}}</tool_call>', '{{"name": "x", "y": "{}"}}']
)
def test_what_stands_behind_a_block_that_is_far_too_long_is_said(block, size):
    text = block.format("y" * 3 * MAX_WRITTEN) + " Yes."
    assert read(*(text[at : at + size] for at in range(0, len(text), size))) == ("Yes.", [])


@given(st.lists(st.text(alphabet='<>[]{}()`|/"\\ \nthinktool_callook_up="', max_size=12), max_size=12))
def test_nothing_that_comes_raises(pieces):
    read(*pieces)


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "[",
        "`",
        "{",
        "a(",
        "<|",
        "<think>",
        "<tool_call>",
        "\n{",
        "</think>",
        "```\n",
        "*a",
        "(end_",
        "\n#",
        "end_call ",
        "<｜",
        ">>>",
        "/no_",
        "✿",
        "<|recipient|>",
        "<tool_call ",
        ",}",
    ],
)
def test_the_work_grows_with_the_text_and_no_faster(piece):
    """Four times as much text may take some six times as long; a square would be sixteen."""

    def seconds(letters):
        text, times = piece * (letters // len(piece)), []
        for _ in range(3):
            began = time.process_time()
            read(*(text[at : at + 10] for at in range(0, len(text), 10)))
            times.append(time.process_time() - began)
        return min(times)

    assert seconds(16_000) < 6.5 * seconds(4_000) + 0.02


@pytest.mark.parametrize(
    "prose", ["You can *book* online.", "We do that (book) today.", "You may [book] it.", "Say {book} for more."]
)
def test_a_word_in_brackets_is_no_call_of_the_tool_of_that_name(prose):
    text = AnswerText({"book", "look_up"})
    said = text.add(prose).said + text.end().said
    assert (said, text.calls) == (prose, [])
    for call in ("book()", "*calls book*", "[tool: book]", "<book/>", "*look_up*"):
        text = AnswerText({"book", "look_up"})
        text.add(f"Good. {call}")
        text.end()
        assert [name for name, _ in text.calls] == ["look_up" if "look" in call else "book"]
