"""The files that pages are made of besides themselves: scripts, styles, pictures. All from here, and in memory."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import Final

import attrs
from quart import Response, request

from trio_voice.edges.web.answers import failure

PREFIX: Final = "/console/static/"
FOLDER: Final = Path(__file__).parent / "static"
A_YEAR: Final = 31_536_000
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@attrs.frozen
class StaticFile:
    """One of them."""

    data: bytes
    zipped: bytes
    content_type: str
    version: str
    """Changes with its bytes, and is part of its address: browsers keep it for as long as it is asked for."""


@cache
def files() -> dict[str, StaticFile]:
    """All of them by name, read once."""
    found = {}
    for path in sorted(FOLDER.iterdir()):
        data = path.read_bytes()
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        content_type = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
        version = hashlib.sha256(data).hexdigest()[:12]
        found[path.name] = StaticFile(data, gzip.compress(data, 9, mtime=0), content_type, version)
    return found


def address_of(name: str) -> str:
    """Address of a file. Raises ``KeyError`` for one that is not there."""
    return f"{PREFIX}{name}?v={files()[name].version}"


def answer_with(name: str) -> Response:
    """One file, for anybody who may see the page to sign in: none of them holds a secret."""
    file = files().get(name)
    if file is None:
        return failure(404, "not_found", "there is no such file")
    zipped = request.accept_encodings["gzip"] > 0 and len(file.zipped) < len(file.data)
    answer = Response(file.zipped if zipped else file.data, content_type=file.content_type)
    is_kept = request.args.get("v") == file.version
    answer.headers["Cache-Control"] = f"public, max-age={A_YEAR}, immutable" if is_kept else "no-cache"
    answer.headers["ETag"] = f'"{file.version}"'
    answer.headers["Vary"] = "Accept-Encoding"
    if zipped:
        answer.headers["Content-Encoding"] = "gzip"
    return answer
