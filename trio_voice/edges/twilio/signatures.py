"""Twilio's signature: the proof that a webhook or a stream is Twilio's.

That of Twilio's "Security" page: base64(HMAC-SHA1(auth token, URL + sorted form parameters)). It is written out here
because the SDK's validator gives a ``wss`` URL port 80, raises on a missing header and compares in variable time.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING, Final

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
