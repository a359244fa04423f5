"""The ``openai`` package's own types of the Realtime protocol, as a judge of messages.

Its models take whatever they do not know, as an SDK must. Here an unknown field is a mistake, since the server refuses
one: ``audio/pcmu`` with a rate is the best known.
"""

from functools import cache
from typing import Final

import pytest

ON_THE_WIRE: Final = {
    f"session.{when}.session.{name}" for when in ("created", "updated") for name in ("id", "object", "expires_at")
}
"""Words of a server about a session beyond its settings; its type is that of the settings."""


@cache
def _adapters():
    pydantic = pytest.importorskip("pydantic")
    realtime = pytest.importorskip("openai.types.realtime", reason="the openai package is not installed here")
    return {name: pydantic.TypeAdapter(getattr(realtime, f"Realtime{name}Event")) for name in ("Client", "Server")}


def mistakes(message, side):
    """Fault of a message of the ``Client`` or the ``Server``; empty if nothing is."""
    pydantic = pytest.importorskip("pydantic")
    try:
        model = _adapters()[side].validate_python(message)
    except pydantic.ValidationError as wrong:
        # A union complains for each of its members: those that are about the type are not meant.
        mine = [error for error in wrong.errors() if error["loc"][-1] != "type" or error["type"] == "missing"]
        return [f"{message.get('type')}: {error['loc']} {error['msg']}" for error in mine] or [str(wrong)]
    if model.type != message.get("type"):
        return [f"{message.get('type')} was taken for {model.type}"]
    unknown = [path for path in _unknown(model, message["type"]) if path not in ON_THE_WIRE]
    return [f"{path} is unknown" for path in unknown]


def _unknown(value, path):
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown(item, f"{path}[{number}]")
    elif hasattr(value, "model_extra"):
        yield from (f"{path}.{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name), f"{path}.{name}")
