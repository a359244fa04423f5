"""Pauses that servers ask for, as each of them tells."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.protocols.chat.refusals import complaint_in
from trio_voice.protocols.retry_after import wait_seconds

NOW = {"date": "Sun, 29 Nov 2026 10:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "2s"}, {}, 2),
        ({"retry-after": "-5"}, {}, None),
        ({"x-ratelimit-reset-tokens": "120ms", "x-ratelimit-remaining-tokens": "0"}, {}, 0.12),
        ({"x-ratelimit-reset-requests": "6m1.5s", "x-ratelimit-remaining-requests": "0"}, {}, 361.5),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-requests": "7"}, {}, None),
        ({"ratelimit-reset": "3"}, {}, 3),
        ({"ratelimit-reset": "soon"}, {}, None),
        ({}, {"error": "Model is currently loading", "estimated_time": 20.0}, 20),
        ({}, {"error": {"message": "?", "details": [7, {"retryDelay": "3s"}]}}, 3),
        ({}, {"error": {"message": "Please try again in 1h3m0s."}}, 3_780),
        ({}, {"error": {"message": "Try again in about 5 seconds"}}, 5),
        ({}, {"error": {"message": "Requests can be made again in 4 seconds"}}, 4),
        ({}, {"error": {"message": "The limit will reset in 4s"}}, 4),
        ({}, {"error": {"message": "Retry after: 3"}}, 3),
        ({}, {"error": {"message": "Too many requests (retry_after=4)"}}, 4),
        ({}, {"error": {"message": "Try again in a few seconds"}}, None),
    ],
)
def test_the_pause_that_a_server_asks_for_is_found(headers, body, seconds):
    found = wait_seconds(headers, complaint_in(429, json.dumps(body).encode()).said)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "Sun, 29 Nov 2026 10:00:03 GMT"}, 3),
        ({"retry-after": "Sunday, 29-Nov-26 10:00:03 GMT"}, 3),
        ({"retry-after": "Sun Nov 29 10:00:03 2026"}, 3),
        ({"retry-after": "Sun, 29 Nov 2026 09:59:00 GMT"}, 0),
        ({"retry-after": "2026-11-29T10:00:02Z"}, 2),
        ({"retry-after": "1795946404"}, 4),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-29T10:00:04Z",
            },
            4,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "12",
                "anthropic-ratelimit-requests-reset": "2026-11-29T10:00:40Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-29T10:00:02+00:00",
            },
            2,
        ),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-requests": "0"}, 1),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, 360),
        ({"x-ratelimit-reset-requests-day": "33011.382867", "x-ratelimit-remaining-requests-day": "90"}, None),
        ({"x-ratelimit-reset-tokens-minute": "11.382867", "x-ratelimit-remaining-tokens-minute": "0"}, 11.382867),
        ({"x-ratelimit-reset": "1795946402000", "x-ratelimit-remaining": "0"}, 2),
        ({"x-ratelimit-reset": "1795946402"}, 2),
        ({"x-ratelimitbysize-reset": "11", "x-ratelimitbysize-remaining": "0"}, 11),
        ({"ratelimitbysize-reset": "11"}, 11),
        ({"ratelimit": '"default";r=0;t=3'}, 3),
        ({"ratelimit": '"default";r=8;t=3'}, None),
        ({"ratelimit": "limit=100, remaining=0, reset=5"}, 5),
        ({"retry-after": "2", "x-ratelimit-reset": "50"}, 2),
        ({"retry-after": "99999999999999999999999"}, None),
    ],
    ids=str,
)
def test_a_pause_is_told_in_many_headers(headers, seconds):
    found = wait_seconds(headers | NOW, "")
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Rate limit reached for model `x`: Limit 6000, Used 5500. Please try again in 7.66s. Need more tokens?", 7.66),
        (
            "Requests to the Operation have exceeded the call rate limit of your tier. Please retry after 3 seconds.",
            3,
        ),
        ("Please retry after 1 second. Please go here", 1),
        ("please wait 2 seconds before making another request", 2),
        ("Try again in 1m12.5s.", 72.5),
        ("Retry in 800 milliseconds", 0.8),
    ],
)
def test_a_pause_is_told_in_many_words(said, seconds):
    assert wait_seconds({}, said) == pytest.approx(seconds)


def test_a_pause_is_told_in_the_headers_that_a_body_quotes():
    quoted = {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795946402000"}
    error = {"message": "Rate limit exceeded: free-models-per-min.", "code": 429, "metadata": {"headers": quoted}}
    said = complaint_in(429, json.dumps({"error": error}).encode()).said
    assert wait_seconds(NOW, said) == pytest.approx(2)


WORDS = st.sampled_from(["retry-after", "retry-after-ms", "date", "ratelimit", "x-ratelimit-reset", "ratelimit-reset"])
TOLD = st.text(st.sampled_from("0123456789:-+., TZsmhGNovSun"), max_size=40) | st.text(max_size=20)


@given(headers=st.dictionaries(WORDS, TOLD), said=st.text(max_size=80))
def test_whatever_is_told_is_a_pause_or_none(headers, said):
    seconds = wait_seconds(headers, said)
    assert seconds is None or seconds >= 0
