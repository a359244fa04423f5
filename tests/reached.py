"""Kinds of facts and commands that the run of a state machine has reached, held against all that the code knows."""

from collections import Counter
from typing import get_args

import attrs


class Reached:
    """Counts kinds: the classes of a union, and the values that their flags had."""

    def __init__(self):
        self.counts = Counter()

    def add(self, each):
        """A fact was told, or a command given."""
        self.counts[type(each).__name__] += 1
        self.counts.update(f"{type(each).__name__}.{flag}={getattr(each, flag)}" for flag in _flags_of(type(each)))

    def missing(self, union, *, but=()):
        """What was never there of a union, but for those for which there is a reason."""
        kinds = get_args(union)
        wanted = [kind.__name__ for kind in kinds]
        wanted += [f"{kind.__name__}.{flag}={on}" for kind in kinds for flag in _flags_of(kind) for on in (False, True)]
        return [name for name in wanted if not self.counts[name] and name not in but]


def _flags_of(kind):
    return [field.name for field in attrs.fields(kind) if field.type in (bool, "bool")]
