"""TwiML as the sandbox understands it: read strictly, with the errors Twilio would show.

From Twilio's "TwiML for Programmable Voice", "TwiML Voice: Connect", "... Stream" and its error pages. Names are case
sensitive; what the schema does not know is ignored with warning 12200, as Twilio does.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Final
from urllib.parse import urljoin, urlsplit

import attrs

LONGEST_DOCUMENT: Final = 65_536
LONGEST_PARAMETER: Final = 500

MethodName = str


class TwimlError(Exception):
    """A document that Twilio does not execute; ``code`` is its error's."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


@attrs.frozen
class Stream:
    """``<Stream>`` inside of ``<Connect>``; ``error`` is what keeps it from being opened, if anything does."""

    url: str
    name: str
    parameters: dict[str, str]
    status_callback: str
    status_callback_method: MethodName
    error: tuple[int, str] | None


@attrs.frozen
class Connect:
    """``<Connect>`` with its stream; ``action`` is asked when the stream is over."""

    stream: Stream
    action: str
    method: MethodName


@attrs.frozen
class Say:
    """``<Say>``: spoken to the caller."""

    text: str


@attrs.frozen
class Pause:
    """``<Pause>``: nothing, for a while."""

    seconds: float


@attrs.frozen
class Hangup:
    """``<Hangup>``."""


@attrs.frozen
class Reject:
    """``<Reject>``: only before anything else it declines the call without answering."""

    reason: str


@attrs.frozen
class Redirect:
    """``<Redirect>``: the document goes on elsewhere."""

    url: str
    method: MethodName


@attrs.frozen
class Dial:
    """``<Dial>`` to one number or SIP address; ``answered_callback`` is told when somebody has answered there."""

    to: str
    timeout: float
    action: str
    method: MethodName
    caller_id: str
    answered_callback: str


Verb = Connect | Say | Pause | Hangup | Reject | Redirect | Dial


@attrs.frozen
class Document:
    """The verbs to execute, and the warnings (code, text) their text deserves."""

    verbs: tuple[Verb, ...]
    warnings: tuple[tuple[int, str], ...]


_ATTRIBUTES: Final = {
    "Response": "",
    "Connect": "action method",
    "Stream": "url name track statusCallback statusCallbackMethod",
    "Parameter": "name value",
    "Say": "voice language loop",
    "Pause": "length",
    "Hangup": "",
    "Reject": "reason",
    "Redirect": "method",
    "Dial": "action method timeout timeLimit callerId answerOnBridge record hangupOnStar sequential ringTone",
    "Number": "url method statusCallback statusCallbackEvent statusCallbackMethod machineDetection",
    "Sip": "username password url method statusCallback statusCallbackEvent statusCallbackMethod",
}


def parse_twiml(text: str | bytes, base_url: str = "") -> Document:
    """Read a document; ``base_url`` is where it came from, for the relative URLs in it.

    Raises:
        TwimlError: it is too long (11750), no XML, or its root is not ``<Response>`` (12100).
    """
    if len(text) > LONGEST_DOCUMENT:
        raise TwimlError(11750, f"{len(text)} bytes of TwiML, and 64 kB are allowed")
    try:
        root = ET.fromstring(text)  # noqa: S314 - it comes from our own server
    except ET.ParseError as wrong:
        raise TwimlError(12100, f"no XML: {wrong}") from None
    if root.tag != "Response":
        raise TwimlError(12100, f"the root is <{root.tag}>, not <Response>")
    reader = _Reader(base_url)
    return Document(tuple(reader.verbs(root)), tuple(reader.warnings))


class _Reader:
    """One document's reading, which gathers its warnings."""

    def __init__(self, base_url: str) -> None:
        self.warnings: list[tuple[int, str]] = []
        self._base_url = base_url

    def verbs(self, response: ET.Element) -> list[Verb]:
        self._check(response)
        return [verb for element in response if (verb := self._verb(element)) is not None]

    def _verb(self, element: ET.Element) -> Verb | None:
        if element.tag not in _ATTRIBUTES:
            self._warn(f"<{element.tag}> is no verb that the sandbox knows")
            return None
        self._check(element)
        text = (element.text or "").strip()
        method = element.get("method", "POST")
        match element.tag:
            case "Connect":
                return self._connect(element)
            case "Say":
                return Say("".join(element.itertext()).strip())
            case "Pause":
                return Pause(self._number(element, "length", 1))
            case "Hangup":
                return Hangup()
            case "Reject":
                return Reject(element.get("reason", "rejected"))
            case "Redirect":
                return Redirect(urljoin(self._base_url, text), method)
            case "Dial":
                return self._dial(element, text)
            case _:
                self._warn(f"<{element.tag}> does not stand in <Response>")
                return None

    def _connect(self, element: ET.Element) -> Connect | None:
        streams = [child for child in element if child.tag == "Stream"]
        for child in element:
            if child.tag != "Stream":
                self._warn(f"<{child.tag}> in <Connect> is not known to the sandbox")
        if len(streams) != 1:
            self._warn(f"<Connect> with {len(streams)} streams; one call has one")
            return None
        return Connect(self._stream(streams[0]), self._url(element, "action"), element.get("method", "POST"))

    def _stream(self, element: ET.Element) -> Stream:
        self._check(element)
        url = element.get("url", "")
        if url and not urlsplit(url).scheme:
            url = urljoin(self._base_url, url).replace("http", "ws", 1)
        parameters: dict[str, str] = {}
        for child in element:
            name, value = child.get("name", ""), child.get("value", "")
            if child.tag != "Parameter":
                self._warn(f"<{child.tag}> does not stand in <Stream>")
                continue
            self._check(child)
            if not name or len(name) + len(value) >= LONGEST_PARAMETER:
                self._warn(f"a parameter {name[:40]!r} of {len(name) + len(value)} characters; below 500 are allowed")
            else:
                parameters[name] = value
        status_callback = element.get("statusCallback", "")
        if status_callback and not urlsplit(status_callback).scheme:
            self._warn(f"statusCallback is not absolute: {status_callback}")
            status_callback = ""
        method = element.get("statusCallbackMethod", "POST")
        return Stream(
            url, element.get("name", ""), parameters, status_callback, method, _stream_error(url, element.get("track"))
        )

    def _dial(self, element: ET.Element, text: str) -> Dial | None:
        to, answered_callback = text, ""
        for child in element:
            if child.tag in {"Number", "Sip"}:
                self._check(child)
                to = to or (child.text or "").strip()
                if "answered" in child.get("statusCallbackEvent", "completed").split():
                    answered_callback = self._url(child, "statusCallback")
            else:
                self._warn(f"<{child.tag}> in <Dial> is not known to the sandbox")
        if not to:
            self._warn("<Dial> without a number")
            return None
        timeout = self._number(element, "timeout", 30)
        action, method = self._url(element, "action"), element.get("method", "POST")
        return Dial(to, timeout, action, method, element.get("callerId", ""), answered_callback)

    def _url(self, element: ET.Element, name: str) -> str:
        value = element.get(name)
        return "" if value is None else urljoin(self._base_url, value)

    def _number(self, element: ET.Element, name: str, default: float) -> float:
        value = element.get(name, str(default))
        try:
            return max(0.0, float(value))
        except ValueError:
            self._warn(f"{name} of <{element.tag}> is no number: {value!r}")
            return default

    def _check(self, element: ET.Element) -> None:
        known = _ATTRIBUTES[element.tag].split()
        for name in sorted(set(element.attrib) - set(known)):
            self._warn(f"<{element.tag}> has no attribute {name!r}")

    def _warn(self, why: str) -> None:
        self.warnings.append((12200, why))


def _stream_error(url: str, track: str | None) -> tuple[int, str] | None:
    parts = urlsplit(url)
    if track not in {None, "inbound_track"}:
        return 31941, f"<Connect><Stream> knows the inbound_track only, not {track!r}"
    if parts.scheme != "wss":
        return 31922, f"a stream goes to wss://, not to {url!r}"
    if not parts.hostname:
        return 31923, f"no host in the stream's url {url!r}"
    if parts.query or parts.fragment:
        return 31920, "a stream's url has no query; data go into <Parameter> or the path"
    return None
