"""Hearing and speaking on this machine, as stages of a chain: ``kind = "local"``.

What hears and speaks are the sandbox's ears and voice, as a service of this process on loopback. Whoever puts the
process together opens it, and puts its address where ``url`` is ``sandbox`` (``ChainSettings.at``): nothing here or in
a call knows the sandbox. It is spoken to in the words of two providers, Deepgram's Flux and ElevenLabs' multi-context
socket, so this file only says what is particular to a machine of one's own: no account, no key, nothing to pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlsplit

import attrs

from trio_voice.protocols.deepgram_flux import DeepgramFlux, DeepgramFluxSettings
from trio_voice.protocols.elevenlabs import ElevenLabs, ElevenLabsSettings
from trio_voice.protocols.settings import SANDBOX, StageSettings

if TYPE_CHECKING:
    from trio_voice.persona import Persona

PROVIDER: Final = "local"


def _check_url(settings: StageSettings) -> None:
    if settings.url is None or not (settings.url == SANDBOX or urlsplit(settings.url).hostname == "127.0.0.1"):
        raise ValueError("a stage of kind local has no url: it is on this machine")


@attrs.frozen(kw_only=True)
class LocalHearingSettings(StageSettings):
    """``stt = { kind = "local" }``: the recogniser of this machine (the ``speech`` extra), in English."""

    default_url: ClassVar[str] = "wss://localhost/v2/listen"
    own_credential: ClassVar[str] = ""
    scheme: ClassVar[str] = "wss"

    url: str | None = SANDBOX
    """``sandbox``, which is this machine; there is no other."""

    def __attrs_post_init__(self) -> None:
        _check_url(self)


class LocalHearing(DeepgramFlux):
    """The recogniser on this machine."""

    provider = PROVIDER
    vendor = "the recogniser on this machine"

    def __init__(self, settings: LocalHearingSettings, persona: Persona) -> None:
        flux = DeepgramFluxSettings(kind="deepgram-flux", url=settings.url, credential=settings.credential or "")
        super().__init__(flux, persona)


@attrs.frozen(kw_only=True)
class LocalSpeakingSettings(StageSettings):
    """``tts = { kind = "local" }``: the voice of this machine (the ``speech`` extra), in English."""

    default_url: ClassVar[str] = "https://localhost"
    own_credential: ClassVar[str] = ""

    url: str | None = SANDBOX
    """``sandbox``, which is this machine; there is no other."""
    voice: str = "alba"
    """Name of the voice: ``alba``, ``eve``, ``george`` and ``michael`` are American; ``anna``, ``vera``, ``charles``
    and ``paul`` British. A persona's own ``voice`` goes before it."""

    def __attrs_post_init__(self) -> None:
        _check_url(self)


class LocalSpeaking(ElevenLabs):
    """The voice on this machine."""

    provider = PROVIDER
    vendor = "the voice on this machine"

    def __init__(self, settings: LocalSpeakingSettings, persona: Persona) -> None:
        elevenlabs = ElevenLabsSettings(
            kind="elevenlabs", url=settings.url, credential=settings.credential or "", voice=settings.voice
        )
        super().__init__(elevenlabs, persona)
