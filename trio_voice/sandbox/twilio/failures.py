"""Failures of Twilio's REST API: the codes of its error dictionary, and a request that is answered with one."""

from __future__ import annotations

from typing import Final

ERRORS: Final[dict[int, tuple[int, str]]] = {
    20001: (400, "A parameter is not valid"),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20007: (400, "Page size must be between 1 and 1000"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service Unavailable"),
    21201: (400, "No 'To' number is specified"),
    21205: (400, "Url parameter is required"),
    21208: (400, "Timeout is not valid"),
    21209: (400, "Method is not valid"),
    21210: (400, "The source phone number provided is not yet verified for your account"),
    21211: (400, "The phone number you are attempting to call is not valid"),
    21212: (400, "The source phone number provided is not valid"),
    21213: (400, "No 'From' number is specified"),
    21214: (400, "The phone number you are attempting to call cannot be reached"),
    21215: (400, "Account not authorized to call this number: check your geographic permissions"),
    21216: (400, "Account not allowed to call this number"),
    21217: (400, "The phone number you are attempting to call does not appear to be valid"),
    21219: (400, "The number is unverified: trial accounts may only call verified numbers"),
    21220: (400, "Call is not in-progress. Cannot redirect"),
    21234: (400, "A parameter of machine detection is not valid"),
}
"""Code to HTTP status and message."""


class RestFailure(Exception):
    """A request that is answered with an error's JSON."""

    def __init__(self, code: int, status: int | None = None) -> None:
        known_status, message = ERRORS.get(code, (400, f"Error {code}"))
        super().__init__(message)
        self.code = code
        self.status = status or known_status
