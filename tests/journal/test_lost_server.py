"""A command whose server goes away says so in its own line, and psycopg nothing beside it."""

import subprocess
import sys

CODE = """
import logging
import trio_voice.journal.postgres
logging.getLogger("psycopg").warning("error ignored in rollback")
"""


def test_psycopg_writes_nothing_to_a_terminal():
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    assert ended.stderr == b""
