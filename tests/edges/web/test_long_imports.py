"""Files that take longer to bring in than an exchange may: who works on has more time, and who waits is answered."""

import pytest

from tests.edges.web.servers import open_server
from trio_voice.edges.web import server as server_module
from trio_voice.edges.web.operator.do_not_call import ROWS_WRITTEN, DoNotCallEditor


@pytest.mark.slow
async def test_an_exchange_that_goes_on_is_given_more_time(monkeypatch):
    monkeypatch.setattr(server_module, "EXCHANGE_SECONDS", 3)
    async with open_server() as server:
        assert (await server.exchange(b"GET /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).endswith(b"done")


async def test_a_file_goes_on_with_each_piece_that_is_written(context):
    written, told = [], []

    async def write(rows):
        written.append(len(rows))

    context.journal.set_all_do_not_call = write
    data = "\n".join(f"+1415{number:07},x" for number in range(2 * ROWS_WRITTEN + 1))
    added, bad = await DoNotCallEditor(context).bring_in(data.encode(), lambda: told.append(sum(written)))
    assert (added, bad) == (2 * ROWS_WRITTEN + 1, [])
    assert written == [ROWS_WRITTEN, ROWS_WRITTEN, 1]
    assert told == [ROWS_WRITTEN, 2 * ROWS_WRITTEN]
