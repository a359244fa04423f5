"""One object whose methods are others than its class has."""

from collections.abc import Callable
from typing import Any


def override(thing: Any, **methods: Callable[..., Any]) -> None:
    """Have these functions called instead of its methods, without the object itself.

    The parts of a call have slots, so a method cannot be set on them. Their class can be, by one with no more slots.
    """
    kind = type(thing)
    fields = {"__slots__": (), **{name: staticmethod(function) for name, function in methods.items()}}
    thing.__class__ = type(kind.__name__, (kind,), fields)
