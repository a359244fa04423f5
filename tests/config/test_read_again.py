"""A configuration that is read again, as each reload does in the middle of calls."""

import cattrs.gen

from tests.config.files import GOOD


def test_what_reads_the_tables_is_made_once(read, monkeypatch):
    first = read(GOOD)

    def make(*_args, **_kwargs):
        raise AssertionError("all of it is compiled anew, while calls wait")

    monkeypatch.setattr(cattrs.gen, "make_dict_structure_fn", make)
    assert read(GOOD).personas == first.personas
