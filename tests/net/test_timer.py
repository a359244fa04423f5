"""The kernel's timer as a pause. The only test that lets real milliseconds pass: there is no virtual kernel."""

import os
import time

import pytest
import trio

from trio_voice.net.timer import Pause


@pytest.fixture
def news():
    """A descriptor that can be read when something was written to it."""
    descriptor = os.eventfd(0)
    yield descriptor
    os.close(descriptor)


async def test_it_takes_as_long_as_it_says_each_time(news):
    pause = Pause(0.002, news)
    for _ in range(3):
        began = time.monotonic()
        await pause.wait()
        assert time.monotonic() - began >= 0.002
    pause.close()


async def test_it_can_be_cancelled_and_used_again(news):
    pause = Pause(3_600, news)
    with trio.move_on_after(0) as scope:
        await pause.wait()
    assert scope.cancelled_caught
    with trio.move_on_after(0) as scope:
        await pause.wait()
    assert scope.cancelled_caught
    pause.close()


async def test_a_timer_that_the_kernel_refuses_is_an_error_and_no_pause_without_end(news):
    pause = Pause(0.001, news)
    pause.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        await pause.wait()


async def test_news_cut_it_short_and_the_next_one_is_whole_again(news):
    pause = Pause(3_600, news)
    os.eventfd_write(news, 1)
    with trio.fail_after(20):
        await pause.wait()
    os.eventfd_read(news)
    with trio.move_on_after(0.01) as scope:
        await pause.wait()
    assert scope.cancelled_caught
    pause.close()
