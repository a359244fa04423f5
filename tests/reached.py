"""State machines of Hypothesis that must reach every kind of fact and command that the code knows."""

from collections import Counter
from typing import get_args

import attrs
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

EXAMPLES = 25
"""Of a run with one seed: beyond that Hypothesis varies what it had."""
RUNS = 3
MOST_RUNS = 12


def run_until_reached(machine, missing):
    """Run a machine, again and again with other seeds until nothing of ``missing()`` is left; return what is.

    The seeds are always the same, but with ``HYPOTHESIS_PROFILE=random``. A failed example is shown as it is: one of
    hundreds of steps takes minutes to be made smaller, which that profile does.
    """
    if not settings().derandomize:
        run_state_machine_as_test(machine, settings=settings(stateful_step_count=80))
        return missing()
    is_short = settings().max_examples < EXAMPLES
    rules = settings(
        stateful_step_count=80, max_examples=min(EXAMPLES, settings().max_examples), phases=[Phase.generate]
    )
    for number in range(MOST_RUNS):
        run_state_machine_as_test(seed(number)(machine), settings=rules)
        if is_short or (number + 1 >= RUNS and not missing()):
            break
    return [] if is_short else missing()


class Reached:
    """Counts kinds: the classes of a union, and the values that their flags had."""

    def __init__(self):
        self.counts = Counter()

    def add(self, each):
        """A fact was told, or a command given."""
        self.counts[type(each).__name__] += 1
        self.counts.update(f"{type(each).__name__}.{flag}={getattr(each, flag)}" for flag in _flags_of(type(each)))

    def missing(self, union, *, but=()):
        """Kinds of a union that were never there, ``but`` those for which there is a reason."""
        kinds = get_args(union)
        wanted = [kind.__name__ for kind in kinds]
        wanted += [f"{kind.__name__}.{flag}={on}" for kind in kinds for flag in _flags_of(kind) for on in (False, True)]
        return [name for name in wanted if not self.counts[name] and name not in but]


def _flags_of(kind):
    return [field.name for field in attrs.fields(kind) if field.type in (bool, "bool")]
