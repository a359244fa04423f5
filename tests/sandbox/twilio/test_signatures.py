"""Signatures of the sandbox's Twilio, and that it calls nobody but this machine."""

import httpx2
import pytest

from trio_voice.sandbox.twilio.webhooks import Loopback, Unreachable, sign, signed_url

VECTORS = {
    "wss": ("wss://example.com/media", {}, "7PR3qMkpDyEJtMrVOY/LDyNq8J8="),
    "wss with a slash": ("wss://example.com/media/", {}, "T+WBXwUXC0/CyoZ1DA+p9ilZORs="),
    "wss with a port": ("wss://example.com:443/media", {}, "zyyJQiPZXIGCLy3HYdHEfry0yDg="),
    "https": ("https://example.com/media", {}, "6HZQ7Cq/dSYDCAiy3qRA6PZfACI="),
    "the documentation's": (
        "https://example.com/myapp.php?foo=1&bar=2",
        {
            "CallSid": "CA1234567890ABCDE",
            "Caller": "+14158675310",
            "Digits": "1234",
            "From": "+14158675310",
            "To": "+18005551212",
        },
        "L/OH5YylLD5NRKLltdqwSvS0BnU=",
    ),
    "twilio-python's": (
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        {
            "CallSid": "CA1234567890ABCDE",
            "Caller": "+14158675309",
            "Digits": "1234",
            "From": "+14158675309",
            "To": "+18005551212",
        },
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
}


@pytest.mark.parametrize("vector", VECTORS, ids=list(VECTORS))
def test_signatures_agree_with_published_ones(vector):
    url, form, signature = VECTORS[vector]
    assert sign("12345", url, form.items()) == signature


def test_a_field_that_comes_twice_is_signed_once_for_each_value():
    form = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
    assert sign("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


def test_what_is_signed_has_no_user_no_fragment_and_no_https_port():
    assert signed_url("https://me:secret@example.com:8443/a?b=c#rt=5000") == "https://example.com/a?b=c"
    assert signed_url("http://me@127.0.0.1:8080/a") == "http://127.0.0.1:8080/a"


async def test_the_sandbox_never_leaves_this_machine():
    loopback = Loopback({"voice.example.com": 1})
    assert loopback.port_of("https://voice.example.com/x") == 1
    assert loopback.port_of("http://localhost:8080/x") == 8080
    with pytest.raises(Unreachable):
        loopback.port_of("https://example.org/")
    async with httpx2.AsyncClient(transport=loopback) as client:
        with pytest.raises(httpx2.ConnectError, match="no port is known"):
            await client.get("https://example.org/")
