"""Changed tables that want a restart are told, each."""

import pytest

from tests.config.files import ENVIRONMENT, GOOD
from trio_voice.config.reading import read_settings
from trio_voice.config.tables_left import tables_left


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "config.toml"
        file.write_text(text)
        return read_settings(file, ENVIRONMENT)

    return read


@pytest.mark.parametrize(
    ("old", "new", "tables"),
    [
        ("", "", []),
        ("time_limit_seconds = 60", "time_limit_seconds = 90", ["[limits]"]),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "wss://a.example.com"', ["[models.aai]"]),
        ("tools = []", 'greeting = "Hello."', []),
        ("minute = 0.075", "minute = 0.08", []),
        ('"AC1"', '"AC1"\nfrom_number = "+15550001111"', ["[twilio]"]),
        ("[models.aai]", '[models.more]\nkind = "gemini-live"\n[models.aai]', []),
    ],
)
def test_tables_that_a_reload_leaves_out(read, old, new, tables):
    assert tables_left(read(GOOD), read(GOOD.replace(old, new, 1))) == tables
