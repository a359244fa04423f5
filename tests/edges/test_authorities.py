"""The authorities of TLS are read once: it takes 17 ms and more, in which no call goes on."""

import ast
from pathlib import Path

import trio_voice

PACKAGE = Path(trio_voice.__file__).parent
BESIDE = {"cli", "sandbox"}
"""Of processes that have no calls."""
READERS = {"create_default_context", "create_ssl_context"}
READ_ONCE = {"net/connect.py", "edges/twilio/rest.py"}


def reads_them(tree):
    """Lines on which they are read anew, by asking for it or by making a client that is given none."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        given = {keyword.arg for keyword in node.keywords}
        makes_client = node.func.attr in {"AsyncClient", "AsyncHTTPTransport"} and not given & {"verify", "transport"}
        if node.func.attr in READERS or makes_client:
            yield node.lineno


def test_they_are_read_where_they_are_kept():
    reading = set()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE)
        if place.parts[0] not in BESIDE and str(place) not in READ_ONCE:
            reading |= {f"{place}:{line}" for line in reads_them(ast.parse(path.read_text()))}
    assert reading == set()
