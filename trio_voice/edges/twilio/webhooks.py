"""Twilio's webhooks, the proof that they are Twilio's, and the TwiML that answers them.

The signature is that of Twilio's "Security" page: base64(HMAC-SHA1(auth token, URL + sorted form parameters)). It is
written out here because the SDK's validator gives a ``wss`` URL port 80, raises on a missing header and compares in
variable time.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import quoteattr

from twilio.twiml.voice_response import Dial, VoiceResponse

from trio_voice.call.put_through import RINGING_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_SIGNATURE: Final = re.compile("[A-Za-z0-9+/]{27}=")


def sign(url: str, form: Mapping[str, Iterable[str]], auth_token: str) -> str:
    """The signature Twilio would send for a request.

    Args:
        url: exactly as Twilio has it, query included.
        form: the decoded form fields, blank ones too; each with all its values. Empty for GET and for a handshake.
        auth_token: the account's primary auth token.
    """
    text = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    digest = hmac.digest(auth_token.encode(), text.encode(), "sha1")
    return base64.b64encode(digest).decode("ascii")


def may_be_signature(text: str) -> bool:
    """True if a text has the form of one: 20 bytes of SHA-1 in base64. Anything else need not be checked."""
    return _SIGNATURE.fullmatch(text) is not None


def is_signed(
    urls: Iterable[str], form: Mapping[str, Iterable[str]], auth_tokens: Iterable[str], signature: str | None
) -> bool:
    """True if a signature is right for any spelling of the URL that Twilio may have signed. Constant time for each.

    Args:
        urls: the spellings.
        form: as of ``sign``.
        auth_tokens: those that are valid; while one is replaced by another, both.
        signature: what was sent.
    """
    offered, spellings = (signature or "").encode(), list(urls)
    return any(
        hmac.compare_digest(sign(url, form, token).encode(), offered) for token in auth_tokens for url in spellings
    )


class PublicUrl:
    """Our addresses as Twilio sees them, which are the only ones that signatures are checked against.

    What a proxy made of the host, the scheme or the port never matters.

    Args:
        base: ``public_url`` of the configuration, such as ``https://voice.example.com``.
        node: ``node_url``, by which streams and callbacks come back to this very node, where it is another address.
    """

    def __init__(self, base: str, node: str | None = None) -> None:
        self._base = base.rstrip("/")
        self._node = self._base if node is None else node.rstrip("/")

    def of(self, path: str) -> str:
        """The URL of one of our paths, at this node."""
        return self._node + path

    def stream(self, call_id: str) -> str:
        """The URL of a call's media stream."""
        return f"{_as_websocket(self._node)}/media-stream/{call_id}"

    def webhook_spellings(self, path_and_query: str) -> list[str]:
        """URLs that Twilio may have signed for a webhook: it drops an https port for voice, and keeps an http one."""
        return [spelling for base in self._bases for spelling in spellings_at(base, path_and_query)]

    def stream_spellings(self, path: str) -> list[str]:
        """URLs that Twilio may have signed for a handshake; its documentation says to try a trailing slash as well."""
        return [spelling for base in self._bases for spelling in stream_spellings_at(base, path)]

    @property
    def _bases(self) -> list[str]:
        return [self._node] if self._node == self._base else [self._node, self._base]


def spellings_at(base: str, path_and_query: str) -> list[str]:
    """URLs that Twilio may have signed for a webhook at an address of ours."""
    return _with_and_without_port(base.rstrip("/") + path_and_query)


def stream_spellings_at(base: str, path: str) -> list[str]:
    """The same for a handshake."""
    bare = _as_websocket(base.rstrip("/")) + path.rstrip("/")
    return [spelling for url in (bare, bare + "/") for spelling in _with_and_without_port(url)]


def _as_websocket(base: str) -> str:
    parts = urlsplit(base)
    return urlunsplit(parts._replace(scheme="ws" if parts.scheme == "http" else "wss"))


_USUAL_PORTS: Final = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def _with_and_without_port(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    bare = f"[{host}]" if ":" in host else host
    if parts.port is None:
        return [url, urlunsplit(parts._replace(netloc=f"{bare}:{_USUAL_PORTS[parts.scheme]}"))]
    return [url, urlunsplit(parts._replace(netloc=bare))]


def connect_twiml(stream_url: str, status_url: str) -> str:
    """Join the call to a stream, and hang up when the stream is over.

    The last verb runs when *we* close the socket. It is ``<Hangup/>`` and never ``<Pause>``, which would keep a dead
    line open for as long as it lasts. It is written out, because each call has it: the SDK takes twenty times as long.
    """
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Connect>'
        f'<Stream statusCallback={quoteattr(status_url)} statusCallbackMethod="POST" url={quoteattr(stream_url)} />'
        "</Connect><Hangup /></Response>"
    )


def dial_twiml(number: str, *, caller_id: str | None = None, action: str | None = None) -> str:
    """Connect the caller to somebody else, and hang up when that is over.

    Args:
        number: in E.164.
        caller_id: what the other one sees, where that is not the caller's own number.
        action: where Twilio asks what to do with the caller then, answered or not, instead of going on behind.
    """
    response = VoiceResponse()
    dial = Dial(action=action, method=None if action is None else "POST", caller_id=caller_id, timeout=RINGING_SECONDS)
    if action is None:
        dial.number(number)
    else:  # it is also told when somebody has answered, which may be long before it is over
        dial.number(number, status_callback=action, status_callback_event="answered", status_callback_method="POST")
    response.append(dial)
    response.hangup()
    return str(response)


def hangup_twiml() -> str:
    """End the call."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def sorry_twiml(words: str) -> str:
    """Say why no call can be taken, and hang up."""
    response = VoiceResponse()
    response.say(words)
    response.hangup()
    return str(response)


def redirect_twiml(url: str) -> str:
    """Have another node asked what to do with the call."""
    response = VoiceResponse()
    response.redirect(url, method="POST")
    return str(response)


def reject_twiml() -> str:
    """Decline without answering, which costs the account nothing."""
    response = VoiceResponse()
    response.reject()
    return str(response)
