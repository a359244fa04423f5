"""All that is true of a journal is true of one by month."""

import pytest

from tests.journal import test_journal, test_other_runs, test_writing

pytestmark = pytest.mark.slow

# Its partitions' indexes have names of their own.
OF_NAMES = "test_who_looks_for_the_dead_reads_runs_alone_and_those_of_a_dead_one_by_an_index"
for module in (test_journal, test_other_runs, test_writing):
    globals().update(
        {name: test for name, test in vars(module).items() if name.startswith("test_") and name != OF_NAMES}
    )


@pytest.fixture
def stand(months_stand):
    """In place of either database."""
    return months_stand
