"""Lines of the log: who may command a terminal, and how much of what strangers wrote is in them."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

ESCAPE = "\x1b]0;owned\x07"


def lines_of(script, *, json_lines=True):
    """Output of a process that logs so."""
    program = f"""
import logging, structlog
from trio_voice.daemon.logs import set_up_logging
from trio_voice.session_record import Closing
set_up_logging(json={json_lines})
log = structlog.stdlib.get_logger("trio_voice.test")
{textwrap.dedent(script)}
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120, check=True)
    said = ran.stderr.decode()
    return [json.loads(line) for line in said.splitlines()] if json_lines else said


@pytest.mark.parametrize("value", [repr("/" + ESCAPE), f"['a', {ESCAPE!r}]", f"{{{ESCAPE!r}: 1}}", "'\\u202eoverride'"])
def test_control_characters_of_strangers_are_written_out(value):
    for json_lines in (True, False):
        said = lines_of(f"log.warning('webhook_refused', path={value})", json_lines=json_lines)
        text = said if isinstance(said, str) else said[0]["path"]
        assert "\x1b" not in str(text)
        assert "\u202e" not in str(text)


def test_an_event_of_a_library_cannot_command_a_terminal_either():
    assert "\x1b" not in lines_of(f"logging.getLogger('quart.app').error({ESCAPE!r})", json_lines=False)


def test_a_traceback_keeps_its_lines_and_not_the_strangers_controls():
    script = f"""
        try:
            raise ValueError({ESCAPE!r} + "x" * 100_000)
        except ValueError:
            log.exception("request_bug")
    """
    said = lines_of(script, json_lines=False)
    assert "\x1b" not in said
    assert "Traceback" in said
    assert len(said.splitlines()) > 3
    assert len(said) < 5_000
    (line,) = lines_of(script)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert len(json.dumps(line)) < 5_000


def test_what_a_stranger_wrote_is_cut_and_our_advice_is_not():
    (line,) = lines_of("log.warning('x', path='/' * 15_000, many=['y' * 15_000], advice='z' * 1_000)")
    assert 200 <= len(line["path"]) < 220
    assert 200 <= len(line["many"][0]) < 220
    assert len(line["advice"]) == 1_000


def test_a_list_without_end_is_cut_and_what_is_left_out_counted():
    (line,) = lines_of("log.error('x', problems=['p'] * 5_000, names=['n'] * 100)")
    assert line["problems"][-2:] == ["p", "and 4900 more"]
    assert line["names"] == ["n"] * 100


def test_what_tools_print_waits_for_no_reader():
    script = """
        import os, sys
        from trio_voice.daemon import logs
        logs.set_up_logging(json=True)
        logs.keep_prints_from_waiting()
        for stream in (sys.stdout, sys.stderr):
            for _ in range(300):
                print("x" * 999, file=stream)
        print("ready", flush=True)
        os.write(3, b"both are printed")
    """
    heard, told = os.pipe()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = f"import os\nos.dup2({told}, 3)\n{textwrap.dedent(script)}"
    with subprocess.Popen([sys.executable, "-c", command], pass_fds=(told,), **pipes) as process:
        os.close(told)
        assert os.read(heard, 100) == b"both are printed"  # though nobody has read a pipe's 64 kB of them
        os.close(heard)
        out, error = process.communicate(timeout=60)
    assert out == b"x" * 999 + b"\n" + b"".join([b"x" * 999 + b"\n"] * 299) + b"ready\n"
    assert error == b"".join([b"x" * 999 + b"\n"] * 300)


def test_enumerations_are_plain_words_and_a_terminals_line_is_one_line():
    script = "log.info('call_ended', closing=[Closing.ACKNOWLEDGED], sessions=[{'provider': 'p'}], cost=1.5)"
    said = lines_of(script, json_lines=False)
    assert "Closing" not in said
    assert "acknowledged" in said
    assert "provider" not in said
    assert len(said.splitlines()) == 1
    (line,) = lines_of(script)
    assert (line["closing"], line["sessions"]) == (["acknowledged"], [{"provider": "p"}])


def test_what_a_server_says_of_strangers_bytes_is_said_once_in_a_while_with_how_often():
    script = """
        from trio_voice.daemon import logs
        now = [0.0]
        logs.time = type("Clock", (), {"monotonic": staticmethod(lambda: now[0])})
        for second in range(12):
            now[0] = second
            for _ in range(100):
                logging.getLogger("hypercorn.error").error("Error in ASGI %s", "x" * 75_000)
    """
    first, second = lines_of(script)
    assert len(first["event"]) < 250
    assert second["event"].endswith("(1000 times)")


def test_that_there_is_no_descriptor_for_a_connection_is_said_once_in_a_while():
    """Trio looks ten times a second, and says so each time with a traceback."""
    script = """
        for _ in range(100):
            try:
                raise OSError(24, "Too many open files")
            except OSError:
                logging.getLogger("trio.serve_listeners").error("accept returned %s", "EMFILE", exc_info=True)
    """
    (line,) = lines_of(script)
    assert line["event"].startswith("accept returned EMFILE: OSError(24")
    assert "exception" not in line


def test_libraries_say_nothing_below_info_though_we_debug():
    script = """
        set_up_logging(json=True, level=logging.DEBUG)
        logging.getLogger("httpcore2").debug("a request's body")
        logging.getLogger("anything").debug("quotes")
        log.debug("ours")
    """
    assert [line["event"] for line in lines_of(script)] == ["ours"]


def test_lines_that_nobody_read_are_counted_and_said():
    script = """
        import os, time
        from trio_voice.daemon import logs
        reader, writer = os.pipe()
        kept = os.dup(2)
        os.dup2(writer, 2)
        for _ in range(5_000):
            log.info("x" * 500)
        assert logs.dropped_lines() > 1_000
        os.dup2(kept, 2)
        os.set_blocking(reader, False)
        while not logs._stream.finish(0.2):
            try:
                os.read(reader, 65_536)
            except BlockingIOError:
                pass
    """
    told = [line for line in lines_of(script) if line["event"] == "log_lines_dropped"]
    assert told
    assert sum(line["lines"] for line in told) > 1_000
    assert told[0]["level"] == "warning"
