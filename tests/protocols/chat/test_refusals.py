"""Refusals of chat servers, in the words of many of them."""

import json

import pytest

from tests.protocols.chat.completions import DONE, chunk, model, read
from trio_voice.protocols.chat.quirks import Quirks
from trio_voice.protocols.chat.refusals import complaint_in


def complaint(said, status=400, **more):
    return complaint_in(status, json.dumps({"error": {"message": said, **more}}).encode())


TOO_LONG = [
    "This model's maximum context length is 8192 tokens, however you requested 8300 tokens (7300 in your prompt).",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "prompt is too long: 207000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000, decrease input length and try again",
    "The model returned the following errors: Input is too long for requested model.",
    "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
    "llama_decode failed: context full",
    "Prompt too large for the model's context. n_ctx=4096, n_tokens=5000",
    "Input token limit exceeded",
    "tokens in request more than max tokens allowed",
    "This model's maximum sequence length is 4096. Your request has 5000 tokens.",
    "The sum of prompt and max_new_tokens exceeds max_seq_len",
    "Invalid 'messages': array too long. Expected an array with maximum length 2048",
    "Prompt 超长",
    "Input length 5000 exceeds model's maximum length 4096",
    "The combined length of the messages and tools is too long",
    "messages is too long. maximum length is 2048, but got 2100 items",
    "length limit exceeded: 9000 tokens",
    "Token limit is exceeded: 9000 > 8000",
    "Total tokens of image and text exceed max message tokens",
    "Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)",
    "The text is too long: 9000 tokens",
    "KV cache is full",
    "The prompt contains 5000 tokens, which is more than the allowed 4096",
]
FILTERED = [
    "Azure has not provided the response due to a content filter being triggered",
    "Your request was rejected as a result of our safety system.",
    "The prompt was blocked: PROHIBITED_CONTENT",
    "The prompt could not be submitted. This prompt contains sensitive words",
    "Input text data may contain inappropriate content.",
    "Guardrail was enabled and input is in violation",
    "Content violates policy.",
    "litellm.ContentPolicyViolationError: no",
    "The content you provided or machine outputted is blocked.",
    "input new_sensitive (1026)",
    "Blocked by Llama Guard: S1",
]
OTHERWISE = [
    "messages: text content blocks must be non-empty",
    "model 'x' is not available",
    "Invalid model: x",
    "invalid message content type: <nil>",
]


@pytest.mark.parametrize("said", TOO_LONG)
def test_a_question_that_is_too_long_is_known(said):
    assert complaint(said).is_too_long
    assert complaint_in(400, json.dumps({"detail": said}).encode()).is_too_long


@pytest.mark.parametrize("said", FILTERED)
def test_a_filter_is_known(said):
    refused = complaint(said)
    assert (refused.is_filtered, refused.is_too_long) == (True, False)


@pytest.mark.parametrize("said", OTHERWISE)
def test_what_is_neither_is_neither(said):
    refused = complaint(said)
    assert (refused.is_filtered, refused.is_too_long, refused.may_pass) == (False, False, False)


@pytest.mark.parametrize("said", ["The server is busy. Please retry.", "The model is currently busy"])
def test_a_server_that_is_busy_may_answer_the_next_time(said):
    assert complaint(said).may_pass


@pytest.mark.parametrize(
    "said", ["Insufficient credits", "Your account has run out of credits", "Your credit balance is too low"]
)
@pytest.mark.parametrize("status", [400, 403, 429])
def test_nobody_waits_for_an_account_to_be_paid(said, status):
    refused = complaint(f"{said}: rate limit", status=status)
    assert (refused.has_no_funds, refused.may_pass, refused.is_too_long) == (True, False, False)
    assert not complaint("You exceeded your current quota. Please retry in 7.2s.", status=429).has_no_funds


def test_a_limit_of_requests_passes_whatever_its_status():
    assert complaint("Rate limit exceeded for this key", status=403).may_pass


def test_the_codes_beside_an_error_that_is_a_text_are_its_own():
    body = {"error": "`inputs` must have less", "error_type": "context_length_exceeded"}
    assert complaint_in(422, json.dumps(body).encode()).is_too_long


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "Not valid.", "param": "tools[0].name"}}, "Not valid. (param: tools[0].name)"),
        ("No such model", "No such model"),
        ([], ""),
        (None, ""),
        (["Overloaded"], "Overloaded"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words_and_with_the_parameter_that_it_names(body, said):
    refused = complaint_in(400, json.dumps(body).encode())
    assert (refused.status, refused.said) == (400, said)


ADAPTED = [
    ("Unknown parameter: 'stream_options'.", "stream_options"),
    ("property 'stream_options' is unsupported", "stream_options"),
    ("The parameter `stream_options` specified in the request are not valid", "stream_options"),
    ('Invalid JSON payload received. Unknown name "stream_options": Cannot find field.', "stream_options"),
    ('json: unknown field "stream_options"', "stream_options"),
    ('think value "low" is not supported for this model', "reasoning_effort"),
    ('"qwen" does not support thinking', "reasoning_effort"),
    ("stream_options must be left out", "stream_options"),
]


@pytest.mark.parametrize(("said", "left_out"), ADAPTED)
def test_a_parameter_that_is_refused_is_left_out(said, left_out):
    quirks = Quirks()
    assert quirks.learn(complaint(said), {"stream_options", "reasoning_effort", "tools"})
    assert (quirks.left_out, quirks.no_tools) == ({left_out}, False)


@pytest.mark.parametrize(
    ("said", "quirk"),
    [
        ("No endpoints found that support the provided 'tools' parameter", "no_tools"),
        ("model features function calling not support", "no_tools"),
        ("This model does not support tool use", "no_tools"),
        ("messages with role 'system' are not supported", "no_system"),
        ("Developer instruction is not enabled for models/gemma-3", "no_system"),
        ("The `reasoning_content` in the thinking mode must be passed back to the API.", "wants_thoughts"),
        ("Function call is missing a thought_signature in functionCall parts.", "wants_signatures"),
        ("Tool call id was call_abc but must be a-z, A-Z, 0-9, with a length of 9.", "short_ids"),
        (
            "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 40",
            "short_ids",
        ),
    ],
)
def test_a_peculiarity_is_learned_of_a_refusal(said, quirk):
    quirks = Quirks()
    assert quirks.learn(complaint(said), {"stream_options", "tools"})
    assert getattr(quirks, quirk) is True
    assert quirks.left_out == set()


def test_an_error_in_the_stream_ends_it():
    error = b'data: {"error":{"message":"overloaded","type":"server_error","code":null}}\n\n'
    (failed,) = read(error, chunk({"content": "x"}), DONE)
    assert "overloaded" in failed.message


@pytest.mark.parametrize(
    ("status", "body", "words", "retryable"),
    [
        (401, b'{"error":{"message":"bad key","code":"invalid_api_key"}}', "OPENAI_API_KEY", False),
        (404, b"{}", "'gpt-4o'", False),
        (429, b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}', "slow down", True),
        (429, b'{"error":{"message":"no funds","code":"insufficient_quota"}}', "no funds", False),
        (500, b"<html>", "HTTP 500", True),
        (524, b"", "HTTP 524", True),
        (498, b'{"error":{"message":"Flex tier capacity exceeded"}}', "HTTP 498", True),
        (501, b"", "HTTP 501", False),
        (400, b'{"error":{"message":"The model is overloaded. Please try again later."}}', "overloaded", True),
        (400, b'{"error":{"message":"Parsing failed.","code":"output_parse_failed"}}', "Parsing failed", True),
        (401, b'{"error":{"message":"temporarily"}}', "OPENAI_API_KEY", False),
        (400, b'{"error":"what?"}', "what?", False),
    ],
)
def test_refusals_say_what_to_do(status, body, words, retryable):
    refused = model().refusal(3, status, body)
    assert words in refused.message
    assert refused.retryable is retryable


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "n_ctx"}}, "shorten"),
        (400, {"error": {"code": "context_length_exceeded", "message": "This model's maximum ..."}}, "shorten"),
        (400, {"message": "This model's maximum context length is 4096 tokens."}, "shorten"),
        (413, {"error": {"message": "Request too large for model on tokens per minute", "code": "x"}}, "shorten"),
        (400, {"error": {"code": "content_filter", "message": "The response was filtered"}}, "rephrase"),
        (
            400,
            {"error": {"code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "?"}},
            "rephrase",
        ),
        (400, {"error": {"message": "Provider returned error", "metadata": {"raw": "prompt is too long"}}}, "shorten"),
        (400, [{"error": {"code": 400, "message": "Bad", "status": "INVALID_ARGUMENT"}}], ""),
        (422, {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"}, "shorten"),
        (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}, "shorten"),
        (
            400,
            {"error": {"message": "The decoder prompt (length 5) is longer than the maximum model length"}},
            "shorten",
        ),
        (400, {"error": "This model's maximum prompt length is 131072 but the request contains 140000"}, "shorten"),
        (400, {"error": {"message": "Range of input length should be [1, 30720]"}}, "shorten"),
        (429, {"error": {"message": "Request too large: the input tokens must be reduced.", "code": "x"}}, "shorten"),
        (400, {"error": {"message": "Content Exists Risk", "code": "invalid_request_error"}}, "rephrase"),
        (400, {"error": {"message": "flagged as potentially violating our usage policy"}}, "rephrase"),
        (403, {"error": "Content violates usage guidelines."}, "rephrase"),
        (400, {"error": {"code": "1301", "message": "?"}}, "rephrase"),
    ],
)
def test_what_another_question_may_mend_is_told_apart(status, body, remedy):
    refused = model().refusal(3, status, json.dumps(body).encode())
    assert (refused.remedy, refused.retryable) == (remedy, False)
    if remedy:
        (failed,) = read(b"data: " + json.dumps({"error": body["error"]} if "error" in body else body).encode()) or [
            refused
        ]
        assert "error" not in body or failed.remedy == remedy


def test_a_tool_call_that_groq_could_not_read_is_asked_for_once_more():
    body = b'{"error":{"message":"Failed to call a function.","code":"tool_use_failed","failed_generation":"<f"}}'
    assert model().refusal(3, 400, body).retryable


@pytest.mark.parametrize(
    ("headers", "said", "seconds"),
    [
        ({"retry-after": "1"}, "", 1),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, "", 0.25),
        ({"retry-after": "Sun, 29 Nov 2026 10:00:03 GMT", "date": "Sun, 29 Nov 2026 10:00:00 GMT"}, "", 3),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({}, "Rate limit reached. Please try again in 2.4s. Visit", 2.4),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Please retry in 1m3.5s", 63.5),
        ({}, "Try again in 2 minutes", 120),
        ({}, "retry after 7 seconds", 7),
        ({}, "slow down", None),
    ],
)
def test_the_pause_that_a_server_asks_for_is_told(headers, said, seconds):
    body = json.dumps({"error": {"message": said, "code": "rate_limit_exceeded"}}).encode()
    refused = model().refusal(3, 429, body, headers)
    assert refused.wait_seconds == (None if seconds is None else pytest.approx(seconds))
    assert refused.retryable


def test_a_server_that_has_moved_to_another_host_is_named():
    refused = model().refusal(3, 308, b"", {"location": "https://elsewhere.example/v1"})
    assert (refused.retryable, "https://elsewhere.example/v1" in refused.message) == (False, True)
    assert "has moved" not in model().refusal(3, 308, b"").message
