"""Twilio's signatures, against vectors that were published or computed with its own library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.twilio.signatures import is_signed, sign

FORM = {
    "CallSid": ["CA1234567890ABCDE"],
    "Caller": ["+14158675310"],
    "Digits": ["1234"],
    "From": ["+14158675310"],
    "To": ["+18005551212"],
}
FORM_09 = FORM | {"Caller": ["+14158675309"], "From": ["+14158675309"]}
MYCOMPANY = "mycompany.com/myapp.php?foo=1&bar=2"


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        ("https://example.com/myapp.php?foo=1&bar=2", FORM, "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        (f"https://{MYCOMPANY}", FORM_09, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", FORM_09, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", FORM_09, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("http://mycompany.com:80/myapp.php?foo=1&bar=2", FORM_09, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (
            f"https://{MYCOMPANY}",
            {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]},
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        ("wss://example.com/media", {}, "7PR3qMkpDyEJtMrVOY/LDyNq8J8="),
        ("wss://example.com/media/", {}, "T+WBXwUXC0/CyoZ1DA+p9ilZORs="),
        ("wss://example.com:443/media", {}, "zyyJQiPZXIGCLy3HYdHEfry0yDg="),
        ("https://example.com/media", {}, "6HZQ7Cq/dSYDCAiy3qRA6PZfACI="),
    ],
)
def test_vectors(url, form, signature):
    assert sign(url, form, "12345") == signature
    assert is_signed([url], form, ["12345"], signature)


@given(st.dictionaries(st.text(min_size=1), st.text()), st.text(min_size=1))
def test_it_agrees_with_twilios_own_library(form, token):
    url = "https://example.com/twiml?a=b"
    ours = sign(url, {name: [value] for name, value in form.items()}, token)
    assert ours == RequestValidator(token).compute_signature(url, form)


@pytest.mark.parametrize("signature", [None, "", "x", "7PR3qMkpDyEJtMrVOY/LDyNq8J9=", "ü" * 28])
def test_wrong_and_missing_signatures(signature):
    assert not is_signed(["wss://example.com/media"], {}, ["12345"], signature)


def test_a_blank_field_counts():
    assert sign("https://e.com/", {"FromCity": [""]}, "t") != sign("https://e.com/", {}, "t")


def test_public_urls():
    public = PublicUrl("https://voice.example.com/base/")
    assert public.of("/twiml") == "https://voice.example.com/base/twiml"
    assert public.stream("c1") == "wss://voice.example.com/base/media-stream/c1"
    assert public.webhook_spellings("/twiml?x=1") == [
        "https://voice.example.com/base/twiml?x=1",
        "https://voice.example.com:443/base/twiml?x=1",
    ]
    assert public.stream_spellings("/media-stream/c1") == [
        f"wss://voice.example.com{port}/base/media-stream/c1{slash}" for slash in ("", "/") for port in ("", ":443")
    ]


def test_a_node_is_named_by_its_own_address_and_signatures_are_right_for_both():
    public = PublicUrl("https://voice.example.com", "https://n1.voice.example.com/")
    assert public.of("/call-status/c1") == "https://n1.voice.example.com/call-status/c1"
    assert public.stream("c1") == "wss://n1.voice.example.com/media-stream/c1"
    for spellings in (public.webhook_spellings("/twiml"), public.stream_spellings("/media-stream/c1")):
        assert {url.split("/")[2] for url in spellings} == {
            f"{host}{port}" for host in ("n1.voice.example.com", "voice.example.com") for port in ("", ":443")
        }


def test_a_port_may_be_signed_or_dropped():
    public = PublicUrl("https://voice.example.com:8443")
    assert public.webhook_spellings("/t") == ["https://voice.example.com:8443/t", "https://voice.example.com/t"]
    assert PublicUrl("http://[::1]:8080").webhook_spellings("/t") == ["http://[::1]:8080/t", "http://[::1]/t"]
