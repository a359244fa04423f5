"""Names of the first release, which users have in their configurations, scripts and dashboards: all of them stay.

A name that is to be another one is taken out of ``names_of_0_1_0.toml`` only when the old one is accepted beside it,
with a warning that says the new one. ``tool_withdrawn``, a log event, is no more: nothing is withdrawn (CHANGELOG.md).
"""

import re
import tomllib
from pathlib import Path

import attrs
import pytest
from reference_pages import configuration

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
RELEASED = tomllib.loads(Path(__file__).with_name("names_of_0_1_0.toml").read_text())
TABLES = {table.heading: table for table in configuration.tables()}


@pytest.mark.parametrize("page", RELEASED["pages"])
def test_every_name_of_the_release_is_still_on_its_page(page):
    told = set(re.findall(r"`([\w-]+)", (REFERENCE / page).read_text()))
    assert [name for name in RELEASED["pages"][page].split() if name not in told] == []


@pytest.mark.parametrize("heading", RELEASED["keys"])
def test_every_key_of_the_release_is_still_taken(heading):
    taken = {field.name for field in attrs.fields(TABLES[heading].kind) if field.init}
    assert [key for key in RELEASED["keys"][heading].split() if key not in taken] == []
