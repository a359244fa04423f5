"""Asking the server under test, as Twilio does and as its operator does."""

from __future__ import annotations

import ssl
from typing import Final

import httpx2

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used. By default every client reads all certificates, some 40 ms in which nobody looks at any socket."""


def open_http(seconds: float) -> httpx2.AsyncClient:
    """A client for plain HTTP on this machine.

    Args:
        seconds: its patience.
    """
    return httpx2.AsyncClient(timeout=seconds, verify=NO_TLS, trust_env=False)
