"""The telephone's ear and mouth (`telephone-worklet.js`), driven block by block outside of any audio device."""

import math
import shutil
from itertools import pairwise

import pytest

pytest.importorskip("playwright", reason="needs playwright")

from playwright.sync_api import sync_playwright

from trio_voice.edges.web.console.static_files import FOLDER

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)"),
    pytest.mark.timeout(150),
    pytest.mark.slow,
    # Its driver leaves sockets and a loop of its own to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

BLOCK = 128
"""Samples that a browser gives and takes at once (W3C Web Audio API, "render quantum size")."""
SURROUNDINGS = """
globalThis.sampleRate = RATE;
globalThis.AudioWorkletProcessor = class {
  constructor() { this.told = []; this.port = {postMessage: (message) => this.told.push(message)}; }
};
globalThis.registerProcessor = (_, kind) => { globalThis.Telephone_ = kind; };
null;
"""
DRIVER = """
globalThis.begin = () => { globalThis.it = new Telephone_(); globalThis.blocks = 0; };
globalThis.obey = (orders) => {
  for (const order of orders) it.obey(order.play ? {play: Uint8Array.from(order.play)} : order);
};
// So many blocks with this tone at the microphone: what was told, and in which of them, and what was heard.
globalThis.run = (count, level, hertz) => {
  const told = [], heard = [];
  for (let block = 0; block < count; block += 1) {
    const ear = new Float32Array(128), mouth = new Float32Array(128);
    for (let n = 0; n < 128; n += 1) {
      ear[n] = hertz ? level * Math.sin(2 * Math.PI * hertz * (blocks * 128 + n) / sampleRate) : level;
    }
    it.process([[ear]], [[mouth]]);
    blocks += 1;
    for (const each of it.told.splice(0)) {
      told.push({...each, frame: each.frame ? Array.from(each.frame) : null, block});
    }
    heard.push(...mouth);
  }
  for (const each of it.told.splice(0)) told.push({...each, block: count});
  return {told, heard};
};
null;
"""
LOUD = [0x2A] * 160
SILENCE = [0xFF] * 160


class Worklet:
    """One, at a rate, in a page that is nobody's."""

    def __init__(self, page, rate):
        self._page, self.rate = page, rate
        page.goto("about:blank")
        source = (FOLDER / "telephone-worklet.js").read_text()
        page.evaluate(SURROUNDINGS.replace("RATE", str(rate)))
        page.add_script_tag(content=source)
        page.evaluate(DRIVER)
        page.evaluate("begin()")

    def obey(self, *orders):
        self._page.evaluate("(orders) => obey(orders)", list(orders))

    def run(self, seconds, level=0.0, hertz=0):
        blocks = math.ceil(seconds * self.rate / BLOCK)
        ran = self._page.evaluate("([count, level, hertz]) => run(count, level, hertz)", [blocks, level, hertz])
        return ran["told"], ran["heard"]


@pytest.fixture(scope="module")
def page():
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.fixture
def worklet(page):
    return Worklet(page, 8_000)


def frames_of(told):
    return [each["frame"] for each in told if each["frame"]]


def marks_of(told):
    return [(each["mark"], each["block"]) for each in told if "mark" in each]


def level_of(code):
    """A sample of mu-law, from -1 to 1 (ITU-T G.711)."""
    bits = ~code & 0xFF
    magnitude = ((((bits & 0x0F) << 3) + 0x84) << ((bits & 0x70) >> 4)) - 0x84
    return (-magnitude if bits & 0x80 else magnitude) / 32_768


def loudness(samples):
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def test_a_microphones_samples_leave_as_frames_of_20_ms_of_mulaw(worklet):
    told, _ = worklet.run(2.0, 0.5, 400)
    frames = frames_of(told)
    assert len(frames) == 100
    assert {len(frame) for frame in frames} == {160}
    sent = [level_of(code) for frame in frames for code in frame]
    meant = [0.5 * math.sin(2 * math.pi * 400 * n / 8_000) for n in range(len(sent))]
    assert max(abs(one - other) for one, other in zip(sent, meant, strict=True)) < 0.02


def test_every_code_of_mulaw_is_played_as_what_it_is(worklet):
    codes = [0xFF] * 480 + list(range(256)) + [0xFF] * 160
    worklet.obey({"play": codes})
    _, heard = worklet.run(0.2)
    begins = next(at for at, sample in enumerate(heard) if sample) - 480
    assert heard[begins : begins + len(codes)] == pytest.approx([level_of(code) for code in codes], abs=1e-6)


def test_a_mark_comes_back_when_what_was_before_it_has_been_played_and_no_sooner(worklet):
    worklet.obey({"play": LOUD * 10}, {"mark": "first"}, {"play": LOUD * 5}, {"mark": "second"})
    told, heard = worklet.run(1.0)
    (first, first_block), (second, second_block) = marks_of(told)
    assert (first, second) == ("first", "second")
    begins = next(at for at, sample in enumerate(heard) if sample)
    for block, played in ((first_block, 1_600), (second_block, 2_400)):
        assert 0 <= (block + 1) * BLOCK - (begins + played) <= BLOCK
    assert loudness(heard[begins + 2_400 :]) == 0


def test_a_mark_behind_nothing_comes_back_at_once(worklet):
    worklet.obey({"mark": "0.1"})
    told, _ = worklet.run(0.016)
    assert marks_of(told)[0][0] == "0.1"


def test_a_clear_is_silent_at_once_and_gives_back_the_marks_that_were_pending_in_their_order(worklet):
    worklet.obey({"play": LOUD * 50}, {"mark": "a"}, {"play": LOUD * 50}, {"mark": "b"})
    _, heard = worklet.run(0.3)
    assert loudness(heard[-400:]) > 0
    worklet.obey({"clear": True})
    told, heard = worklet.run(0.5)
    assert marks_of(told) == [("a", 0), ("b", 0)]
    assert loudness(heard) == 0
    worklet.obey({"play": LOUD * 10})  # and what comes behind it is heard
    _, heard = worklet.run(0.5)
    assert loudness(heard) > 0


def test_a_little_is_gathered_before_anything_is_played(worklet):
    worklet.obey({"play": LOUD})
    _, heard = worklet.run(0.2)
    begins = next(at for at, sample in enumerate(heard) if sample)
    assert 0.03 * 8_000 <= begins <= 0.08 * 8_000  # a piece too short to be gathered is played all the same


def test_silence_is_sent_for_the_first_400_ms_of_the_agents_first_sound_and_never_again(worklet):
    told, _ = worklet.run(0.2, 0.5)
    assert SILENCE not in frames_of(told)
    worklet.obey({"play": LOUD * 40})
    told, _ = worklet.run(1.0, 0.5)
    silent = [code for frame in frames_of(told) for code in frame].count(0xFF)
    assert silent == pytest.approx(0.4 * 8_000, abs=BLOCK)
    worklet.obey({"play": LOUD * 40})
    told, _ = worklet.run(1.0, 0.5)
    assert 0xFF not in [code for frame in frames_of(told) for code in frame]


def test_a_muted_microphone_sends_silence_at_the_same_pace(worklet):
    worklet.obey({"muted": True})
    told, _ = worklet.run(1.0, 0.5)
    assert frames_of(told) == [SILENCE] * len(frames_of(told))
    assert len(frames_of(told)) == pytest.approx(50, abs=1)
    assert all(each["level"] == 0 for each in told if each["frame"])
    worklet.obey({"muted": False})
    told, _ = worklet.run(0.5, 0.5)
    assert SILENCE not in frames_of(told)[1:]


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_where_a_browser_gives_no_8_khz_a_filter_decimates_and_lets_nothing_alias(page, rate):
    worklet = Worklet(page, rate)
    worklet.run(0.2)
    passed = frames_of(worklet.run(2.0, 0.5, 1_000)[0])
    assert len(passed) == pytest.approx(100, abs=1)
    tone = [level_of(code) for frame in passed[10:] for code in frame]
    assert loudness(tone) == pytest.approx(0.5 / math.sqrt(2), rel=0.1)
    mirrored = frames_of(worklet.run(2.0, 0.5, 6_500)[0])  # would be 1,500 Hz
    assert loudness([level_of(code) for frame in mirrored[10:] for code in frame]) < 0.01  # 30 dB


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_what_is_played_there_lasts_as_long_and_has_no_mirror_image(page, rate):
    worklet = Worklet(page, rate)
    codes = [min(range(256), key=lambda code: abs(level_of(code) - level)) for level in TONE]
    worklet.obey({"play": codes * 100}, {"mark": "end"})
    told, heard = worklet.run(2.5)
    loud = [at for at, sample in enumerate(heard) if abs(sample) > 0.05]
    assert (loud[-1] - loud[0]) / rate == pytest.approx(2.0, abs=0.01)
    [(_, block)] = marks_of(told)
    assert block * BLOCK / rate == pytest.approx(loud[-1] / rate, abs=0.05)
    # A tone of 1 kHz crosses zero 2,000 times a second; its image at 7 kHz would make that more.
    middle = heard[loud[0] + rate // 4 : loud[0] + rate // 4 + rate]
    assert sum(one * other < 0 for one, other in pairwise(middle)) == pytest.approx(2_000, abs=10)


TONE = [0.5 * math.sin(2 * math.pi * 1_000 * n / 8_000) for n in range(160)]
