"""TwiML: what Twilio is told to do with a call, in answer to a webhook."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from twilio.twiml.voice_response import Dial, VoiceResponse

from trio_voice.call.put_through import RINGING_SECONDS


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


def dial_twiml(number: str, *, caller_id: str | None, action: str) -> str:
    """Connect the caller to somebody else, and hang up when that is over.

    Args:
        number: in E.164.
        caller_id: what the other one sees, where that is not the caller's own number.
        action: where Twilio asks what to do with the caller then, answered or not, instead of going on behind.
    """
    response = VoiceResponse()
    dial = Dial(action=action, method="POST", caller_id=caller_id, timeout=RINGING_SECONDS)
    # It is also told when somebody has answered, which may be long before it is over.
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
