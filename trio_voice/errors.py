"""Every exception that trio_voice raises on purpose.

    TrioVoiceError
    ├── ConfigError            config.toml or a credential is wrong: exit code 78
    ├── CannotListen           somebody else listens on the address, or it is not this machine's: exit code 69
    ├── ModelUnavailable       the model's socket could not be opened, or it refused us
    ├── CallRefused            no call may begin: full, draining, or an unknown path
    ├── RestError              Twilio's REST API refused, failed or did not answer
    ├── JournalUnavailable     the journal does not know, or has not yet written
    └── ProtocolError
        ├── LocalProtocolError     we asked for something illegal: our bug
        └── RemoteProtocolError    the peer broke its protocol

Sockets keep trio's own types: ``EndOfChannel`` (the peer closed politely), ``BrokenResourceError`` (it was cut),
``ClosedResourceError`` (we closed it). None of these carries a secret, a phone number or a transcript.
"""

from __future__ import annotations

from typing import Final

MAX_LETTERS: Final = 600
"""Of one line about what somebody else has written."""
STRANGERS_LETTERS: Final = 200
"""The same of what anybody at all may have written: a caller, a model, a provider, whoever knocks."""


class TrioVoiceError(Exception):
    """The root of the tree."""


class ConfigError(TrioVoiceError):
    """The configuration cannot be used; ``problems`` has one line for each thing to mend, whatever was in the file."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = [one_line(problem) for problem in problems]
        super().__init__("\n".join(self.problems))


class CannotListen(TrioVoiceError):
    """The address that Twilio is to be served at cannot be listened on; the message names it and says why."""


class ModelUnavailable(TrioVoiceError):
    """A model session could not be opened; the message says what to do about it.

    ``status`` is the HTTP status where the provider answered with one; ``passing`` says that what is wrong may be gone
    at another try, and ``retry_after`` after how many seconds, if the provider says so.
    """

    def __init__(
        self, message: str, *, status: int | None = None, passing: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.passing = passing
        self.retry_after = retry_after


class CallRefused(TrioVoiceError):
    """A call may not begin; ``code`` is the word for programs, the message the one for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RestError(TrioVoiceError):
    """Twilio's REST API did not do what we asked.

    ``retryable`` says that the same request may succeed later, ``outcome_unknown`` that it may have had its effect
    although it failed; the message is advice.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: int = 0,
        retryable: bool = False,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown
        self.status = status
        self.code = code
        self.retryable = retryable


class JournalUnavailable(TrioVoiceError):
    """The journal cannot answer; the message is its trouble."""


class ProtocolError(TrioVoiceError):
    """A protocol was broken; one of the two children says by whom."""


class LocalProtocolError(ProtocolError):
    """We asked a protocol for something that its state does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what its protocol does not allow."""


def first_cause(error: BaseException) -> BaseException:
    """The exception that a group is about: of several, whatever is not a cancellation."""
    while isinstance(error, BaseExceptionGroup):
        error = next((each for each in error.exceptions if isinstance(each, Exception)), error.exceptions[0])
    return error


def told_in_words(error: BaseException) -> str:
    """An error's name with its words, or with those of what caused it: httpx has none for what TLS refuses."""
    said: BaseException | None = error
    while said is not None and not str(said):
        said = said.__cause__ or said.__context__
    return one_line(f"{type(error).__name__}: {said}") if said is not None else type(error).__name__


def one_line(text: str, letters: int = MAX_LETTERS) -> str:
    """The text without line breaks and control characters, and not for ever: fit for a log and a terminal."""
    text = text if len(text) <= letters else f"{text[:letters]}…"
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
