"""Fields of the settings classes: the numbers and the values that a key of config.toml may be."""

from __future__ import annotations

import math
from typing import Any, Final

import attrs

RANGE: Final = "range"
"""In a field's metadata: the ``Range`` of a number."""
VALUES: Final = "values"
"""In a field's metadata: in words, which values it may have. For the reference alone; the class checks them."""


@attrs.frozen
class Range:
    """The numbers that a key of config.toml may be."""

    low: float
    high: float = math.inf
    above: bool = False
    """``low`` itself is too little."""

    def __contains__(self, number: float) -> bool:
        return (self.low < number if self.above else self.low <= number) and number <= self.high

    def __str__(self) -> str:
        low, high = f"{self.low:.10g}", f"{self.high:.10g}"
        if self.high == math.inf:
            return f"more than {low}" if self.above else f"at least {low}"
        return f"more than {low} and at most {high}" if self.above else f"from {low} to {high}"


def bounded(low: float, high: float, default: Any = None) -> Any:
    """A number of a table of config.toml, which must lie between these, ends included."""
    return attrs.field(default=default, metadata={RANGE: Range(low, high)})


def positive(default: Any = None, *, at_most: float = math.inf) -> Any:
    """A number of a table of config.toml, which must be more than 0."""
    return attrs.field(default=default, metadata={RANGE: Range(0, at_most, above=True)})


def one_of(values: str, default: Any = None) -> Any:
    """A key of config.toml that takes these values, in words for the reference; its class refuses others."""
    return attrs.field(default=default, metadata={VALUES: values})
