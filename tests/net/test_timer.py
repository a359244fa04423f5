"""The kernel's timer as a pause. The only test that lets real milliseconds pass: there is no virtual kernel."""

import time

import pytest
import trio

from trio_voice.net.timer import Pause


async def test_it_takes_as_long_as_it_says_each_time():
    pause = Pause(0.002)
    for _ in range(3):
        began = time.monotonic()
        await pause.wait()
        assert time.monotonic() - began >= 0.002
    pause.close()


async def test_it_can_be_cancelled_and_used_again():
    pause = Pause(3_600)
    with trio.move_on_after(0) as scope:
        await pause.wait()
    assert scope.cancelled_caught
    with trio.move_on_after(0) as scope:
        await pause.wait()
    assert scope.cancelled_caught
    pause.close()


async def test_a_timer_that_the_kernel_refuses_is_an_error_and_no_pause_without_end():
    pause = Pause(0.001)
    pause.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        await pause.wait()
