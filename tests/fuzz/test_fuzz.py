"""Input of strangers, mutated from a kept corpus: nothing raises, nothing takes more than linear time or keeps much.

Seeded, and a second or two in the suite; ``make fuzz FUZZ_ROUNDS=100000`` goes on for longer, with another seed each
time. An input that finds something is added to ``corpus/`` with its mending.
"""

import os
import random
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, configuration

CORPUS = Path(__file__).parent / "corpus"
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "60"))
SEED = os.environ.get("FUZZ_SEED", "1")
NAMES = [*TARGETS, "configuration"]
ODD = (
    *(
        b"",
        b"\x00",
        b"\xff",
        b"\n",
        b"{",
        b"}",
        b"[",
        b'"',
        b"\\",
        b":",
        b",",
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"NaN",
    ),
    *(
        b"[" * 300,
        b'{"a":' * 300,
        b'"\\ud800"',
        b"9" * 400,
        b"x" * 2_000,
        b"data: ",
        b"\r\n\r\n",
        b"%00",
        b"[[",
        b"'''",
    ),
    *(b"<think>", b"</think>", b"<tool_call>", b"look_up(", b"```", b"\xef\xbb\xbf", b"\x81\x7f" + b"\xff" * 8),
)
MAX_BYTES = 20_000
MAX_KEPT = 8_000_000
"""Bytes of memory that one input may need at most, besides what its modules have loaded."""


def read(name, data, tmp_path):
    if name == "configuration":
        configuration(data, tmp_path / "config.toml")
    else:
        TARGETS[name](data)


def seeds(name):
    found = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert found
    return found


def mutated(data, others, chance):
    """One input with some of it cut, repeated, exchanged, made odd."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        to = min(to, at + chance.choice((1, 4, 30, 400)))
        match chance.randrange(6):
            case 0:
                data[at:to] = b""
            case 1:
                data[at:at] = data[at:to] * chance.choice((1, 2, 50))
            case 2:
                data[at:to] = chance.choice(ODD)
            case 3:
                data[at:to] = chance.randbytes(to - at)
            case 4:
                other = chance.choice(others)
                begin = chance.randrange(len(other) + 1)
                data[at:to] = other[begin : begin + 200]
            case 5:
                if at < len(data):
                    data[at] ^= 1 << chance.randrange(8)
    return bytes(data[:MAX_BYTES])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_raises(name, tmp_path):
    chance, corpus = random.Random(f"{SEED} {name}"), seeds(name)
    for data in corpus:
        read(name, data, tmp_path)
    for number in range(ROUNDS):
        data = mutated(chance.choice(corpus), corpus, chance)
        try:
            read(name, data, tmp_path)
        except BaseException as odd:
            raise AssertionError(f"round {number} of seed {SEED}: {data!r}") from odd


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_time_is_linear(name, tmp_path):
    """Four times as much may take some six times as long; a square would be sixteen."""

    def seconds(data):
        times = []
        for _ in range(3):
            began = time.process_time()
            read(name, data, tmp_path)
            times.append(time.process_time() - began)
        return min(times)

    chance, corpus = random.Random(f"{SEED} {name} time"), seeds(name)
    for piece in [*corpus, *(mutated(each, corpus, chance) for each in corpus), *chance.sample(ODD[1:], 8)]:
        short = (piece + b"\n") * max(1, 8_000 // (len(piece) + 1))
        assert seconds(short * 4) < 6.5 * seconds(short) + 0.05, piece[:200]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_bounded(name, tmp_path):
    corpus = seeds(name)
    read(name, b"\n".join(corpus), tmp_path)  # what is made once is made
    tracemalloc.start()
    try:
        for data in corpus:
            read(name, (data + b"\n") * (200_000 // (len(data) + 1)), tmp_path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MAX_KEPT
