"""Firefox by its own remote protocol: JSON on a socket, each message behind its length (Mozilla, "Marionette")."""

import json
import socket
import subprocess
import time
from contextlib import contextmanager

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of a reference to an element (W3C WebDriver, "web element identifier")."""


class Marionette:
    """One Firefox."""

    def __init__(self, connection, reader):
        self._connection, self._reader = connection, reader
        self._number = 0
        self._message()  # it says what it is
        self.ask("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})

    def ask(self, command, **parameters):
        self._number += 1
        sent = json.dumps([0, self._number, command, parameters]).encode()
        self._connection.sendall(b"%d:%b" % (len(sent), sent))
        _, number, error, result = self._message()
        assert number == self._number
        assert error is None, error
        return result

    def open(self, url):
        self.ask("WebDriver:Navigate", url=url)

    def run(self, script, *args):
        """Result of a function with this body."""
        return self.ask("WebDriver:ExecuteScript", script=script, args=list(args))["value"]

    def click(self, selector):
        found = self.ask("WebDriver:FindElement", using="css selector", value=selector)["value"]
        self.ask("WebDriver:ElementClick", id=found[ELEMENT])

    def wait(self, script, seconds=60.0):
        """Until this is true in the page; what it was then."""
        until = time.monotonic() + seconds
        while not (found := self.run(f"return {script}")):
            assert time.monotonic() < until, (script, self.run("return document.body.innerText")[-500:])
            time.sleep(0.1)
        return found

    def _message(self):
        length = b""
        while not length.endswith(b":"):
            read = self._reader.read(1)
            assert read, "Firefox is gone"
            length += read
        return json.loads(self._reader.read(int(length[:-1])))


@contextmanager
def open_firefox(program, folder, **preferences):
    """Run one with a profile of its own, and end it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    preferences |= {"marionette.port": port, "datareporting.policy.dataSubmissionEnabled": False}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (folder / "user.js").write_text("\n".join(lines))
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with _connected(port, process) as connection, connection.makefile("rb") as reader:
            yield Marionette(connection, reader)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _connected(port, process):
    until = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=90)
        except OSError:
            assert process.poll() is None, "Firefox has ended"
            assert time.monotonic() < until, "Firefox does not listen"
            time.sleep(0.2)
