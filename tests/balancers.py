"""Balancers of Debian's packages with the files of `examples/`, as processes."""

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
EXAMPLES_NODES = ("10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080")
"""Addresses of the nodes in the examples of several."""
PATIENCE_SECONDS = 15


def program(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    return found or pytest.skip(f"no {name}: apt install it")


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def started(example, text, folder, environment=None):
    """The program of an example, by its name, with this text of it as its configuration; its process."""
    if "nginx" in example:
        settings = f"daemon off; pid {folder}/nginx.pid;"
        command = [program("nginx"), "-p", str(folder), "-g", settings, "-e", "stderr", "-c"]
    elif "Caddy" in example:
        command = [program("caddy"), "run", "--adapter", "caddyfile", "--config"]
    else:
        command = [program("haproxy"), "-f"]
    config = folder / Path(example).name
    config.write_text(text)
    quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen([*command, str(config)], env=environment, **quiet) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


@contextmanager
def balancer(example, nodes, folder, *, as_it_is=False):
    """A balancer with this example in front of nodes at these addresses; its port.

    With ``as_it_is`` the file is used word by word, which needs a network of one's own.
    """
    text, port = (EXAMPLES / example).read_text(), 80
    if not as_it_is:
        port = free_port()
        for theirs, ours in zip(EXAMPLES_NODES, nodes, strict=False):
            text = text.replace(theirs, ours)
        text = text.replace("127.0.0.1:8080", nodes[0]).replace("listen 80;", f"listen 127.0.0.1:{port};")
        text = text.replace("worker_processes auto", "worker_processes 1")
        text = text.replace("bind :80\n", f"bind 127.0.0.1:{port}\n").replace("maxconn 8000", "maxconn 2000")
    if "Caddy" in example:
        text = "{\n\tadmin off\n}\n" + text.replace("voice.example.com", f"http://:{port}")
    with started(example, text, folder) as process:
        latest = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < latest
                time.sleep(0.05)
        yield port
