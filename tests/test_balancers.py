"""The files of `examples/`: taken by the programs that they are for, routed as they say, naming what there is."""

import json
import re
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from tests.balancers import EXAMPLES, PATIENCE_SECONDS, balancer, program

METRICS = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
TWILIOS = ("/twiml", "/media-stream", "/call-status", "/stream-status", "/amd-status", "/recording-status")
NOBODYS = ("/", "/metrics", "/calls", "/call", "/console", "/events", "/healthz", "/readyz", "/do-not-call", "/twimlx")


@contextmanager
def node(name):
    """Something that answers as a node would, and says which it is; ``status`` is that of its readiness."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            self.send_response(server.status if self.path == "/readyz" else 200)
            self.send_header("X-Node", name)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the standard library's

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.status = 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def in_front_of(example, nodes, folder):
    """A balancer that has found one of these nodes; its port."""
    with balancer(example, [f"127.0.0.1:{server.server_port}" for server in nodes], folder) as port:
        until(lambda: ask(port, "/twiml").headers.get("X-Node"))
        yield port


def ask(port, path, host="voice.example.com"):
    headers = {} if port is None else {"Host": host}
    return httpx2.post(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=5, trust_env=False)


def until(condition):
    latest = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if condition():
                return
        except httpx2.HTTPError:
            pass
        assert time.monotonic() < latest
        time.sleep(0.05)


@pytest.mark.parametrize("example", ["nodes/haproxy.cfg", "nodes/nginx.conf"])
def test_a_call_s_node_is_found_by_its_id_and_new_calls_go_to_whoever_is_there(example, tmp_path):
    with ExitStack() as stack:
        nodes = [stack.enter_context(node(digits)) for digits in ("01", "02", "03")]
        port = stack.enter_context(in_front_of(example, nodes, tmp_path))
        for digits in ("01", "02", "03"):
            for path in TWILIOS:
                assert ask(port, f"{path}/{digits}{'0a' * 15}").headers["X-Node"] == digits
        assert {ask(port, "/twiml").headers["X-Node"] for _ in range(30)} == {"01", "02", "03"}
        for path in NOBODYS:
            assert ask(port, path).status_code in (403, 404), path
            assert "X-Node" not in ask(port, path).headers
        if "haproxy" in example:
            nodes[0].status = 503
            until(lambda: {ask(port, "/twiml").headers["X-Node"] for _ in range(9)} == {"02", "03"})
            assert ask(port, f"/call-status/01{'0a' * 15}").headers["X-Node"] == "01"  # which has it still
            for each in nodes:
                each.status = 503
            until(lambda: {ask(port, "/twiml").headers.get("X-Node") for _ in range(9)} == {"01", "02", "03"})
        nodes[2].shutdown()
        nodes[2].socket.close()
        assert {ask(port, "/twiml").headers["X-Node"] for _ in range(9)} <= {"01", "02", "03"}


def test_a_host_name_a_node(tmp_path):
    with ExitStack() as stack:
        nodes = [stack.enter_context(node(digits)) for digits in ("01", "02", "03")]
        port = stack.enter_context(in_front_of("nodes/haproxy-hosts.cfg", nodes, tmp_path))
        for number in (1, 2, 3):
            assert ask(port, "/twiml/x", host=f"n{number}.voice.example.com").headers["X-Node"] == f"0{number}"
        assert ask(port, "/metrics", host="n1.voice.example.com").status_code == 404


@pytest.mark.parametrize("example", ["haproxy.cfg", "nginx.conf", "Caddyfile"])
def test_one_machine(example, tmp_path):
    with ExitStack() as stack:
        port = stack.enter_context(in_front_of(example, [stack.enter_context(node("00"))], tmp_path))
        host = f"127.0.0.1:{port}"
        for path in TWILIOS:
            assert ask(port, path, host).headers["X-Node"] == "00"
            assert ask(port, f"{path}/{'0a' * 16}", host).headers["X-Node"] == "00"
        for path in NOBODYS:
            assert ask(port, path, host).status_code in (403, 404), path


def test_dashboards_and_rules_name_metrics_that_there_are():
    known = {re.sub("_total$", "", name) for name in re.findall("trio_voice_[a-z_]+", METRICS.read_text())}
    panels = json.loads((EXAMPLES / "grafana" / "trio-voice.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    asked += re.findall("expr: (.*)", (EXAMPLES / "prometheus" / "rules.yml").read_text())
    named = {
        re.sub("_(total|bucket|sum|count)$", "", name)
        for text in asked
        for name in re.findall("trio_voice_[a-z_]+", text)
    }
    assert len(named) > 15
    assert named <= known


def test_the_rules_do_what_they_say():
    for what in ("check rules rules.yml", "test rules rules_test.yml"):
        done = subprocess.run(
            [program("promtool"), *what.split()],
            cwd=EXAMPLES / "prometheus",
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
