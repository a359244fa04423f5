"""The way in which the peers of Python's asyncio are served: uvicorn on uvloop, on a port."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import uvicorn
import uvloop

if TYPE_CHECKING:
    from fastapi import FastAPI


def serve(app: FastAPI, port: int = 0) -> None:
    """Serve it until the process ends, and say at which address; 0 is a port of the kernel's choice."""
    uvloop.run(_serve(app, port))


async def _serve(app: FastAPI, port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port), backlog=1_024)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await serving
