"""What a record keeps of a call is bounded, whatever the model says."""

from trio_voice.record import CallRecord
from trio_voice.transcript import KEPT_REPLIES, MAX_LETTERS, MAX_LINES, Transcript


def written(write):
    record = CallRecord(call_id="c", direction="inbound", persona="p", from_number="", to_number="")
    transcript = Transcript(record)
    write(transcript)
    return record, transcript


def test_no_line_grows_without_end():
    def write(transcript):
        transcript.caller_said("i", "x" * 100_000, 0, final=True)
        transcript.reply_said("r1", "x" * 100_000, 0, interrupted=False)
        for _ in range(10_000):
            transcript.reply_words("r2", "word ", None, 0)
            transcript.reply_words("r2", "", None, 0)

    record, transcript = written(write)
    assert max(len(line.text) for line in record.transcript) <= MAX_LETTERS
    assert len(transcript._reply("r2").words) <= MAX_LETTERS


def test_there_are_not_more_lines_than_a_call_can_have():
    def write(transcript):
        for number in range(MAX_LINES):
            transcript.caller_said(f"i{number}", "x", 0, final=False)
            transcript.reply_said(f"r{number}", "x", 0, interrupted=False)

    record, transcript = written(write)
    assert len(record.transcript) == MAX_LINES
    assert record.counters == {"transcript_lines_over_the_bound": MAX_LINES}
    assert len(transcript._replies) == KEPT_REPLIES
