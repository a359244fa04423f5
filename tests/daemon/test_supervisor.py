"""The supervisor of several processes, with none of them."""

import trio
import trio.testing

from trio_voice.daemon.supervisor import WorkerSlot, _announce, _reload, _Worker
from trio_voice.edges.systemd import Notifier


async def test_a_reload_that_is_asked_for_before_all_are_ready_comes_after_it(autojump_clock, nursery):
    workers = [_Worker(WorkerSlot(index, 2, (), (), 0, 0, ""), [], {}, 20.0) for index in range(2)]
    systemd, begun, announced = Notifier({}), trio.Event(), []
    nursery.start_soon(_announce, workers, systemd, begun, lambda: announced.append(trio.current_time()))
    await trio.testing.wait_all_tasks_blocked()
    nursery.start_soon(_reload, workers, systemd, begun)
    await trio.testing.wait_all_tasks_blocked()
    for worker in workers:
        worker.ready.set()  # as its READY=1 does
    await trio.testing.wait_all_tasks_blocked()
    assert announced == [0.0]
    assert begun.is_set()
    assert not any(worker.ready.is_set() for worker in workers)  # and now they are to read it again
    for worker in workers:
        worker.ready.set()
