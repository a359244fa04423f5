"""Number of tokens that are judged, and who is let in meanwhile."""

import pytest
import trio

from trio_voice.edges.web.operator.tokens import MAX_WAITING, TokenJudge, Verdict, bearer_of

RIGHT, WRONG, TOO_MANY = Verdict.RIGHT, Verdict.WRONG, Verdict.TOO_MANY


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer op", "op"),
        ("bearer op", "op"),
        ("BEARER   op ", "op"),
        ("op", None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic op", None),
        ("Bearerop", None),
        ("Token op", None),
    ],
)
def test_a_token_comes_behind_its_scheme(header, token):
    assert bearer_of(header) == token


async def test_the_right_token_waits_for_nobody_however_often_it_comes(autojump_clock):
    judge = TokenJudge()
    for _ in range(1_000):
        assert await judge.judge("op", ["old", "op"]) is RIGHT
    assert trio.current_time() < 0.001 + autojump_clock.current_time()
    assert await judge.judge("öp\udce4", ["op"]) is WRONG


async def judge_all(judge, offered, verdicts):
    async def one(token):
        verdicts.append((trio.current_time(), await judge.judge(token, ["op"])))

    async with trio.open_nursery() as nursery:
        for token in offered:
            nursery.start_soon(one, token)


@pytest.mark.parametrize("same", [True, False], ids=["one token", "another each time"])
async def test_some_twenty_wrong_tokens_a_second_are_judged_over_all_connections(autojump_clock, same):
    judge, verdicts = TokenJudge(), []
    for second in range(10):
        began = trio.current_time()
        await judge_all(judge, ["x" if same else f"{second} {number}" for number in range(300)], verdicts)
        await trio.sleep_until(max(began + 1, trio.current_time()))
    seconds = trio.current_time() - verdicts[0][0]
    judged = [at for at, verdict in verdicts if verdict is WRONG]
    assert len(judged) <= 20 * seconds + 6
    assert len(verdicts) == 3_000
    assert len(judged) > 10


async def test_the_right_one_is_let_in_in_the_midst_of_a_flood(autojump_clock):
    """Whoever tries another token each time stands behind whoever has come back with the same one."""
    judge, flood = TokenJudge(), []
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def guess():
            number = 0
            while True:
                for _ in range(50):
                    number += 1
                    nursery.start_soon(judge_all, judge, [f"guess {number}"], flood)
                await trio.sleep(0.05)

        await trio.sleep(5)
        began, verdict = trio.current_time(), TOO_MANY
        while verdict is TOO_MANY:
            verdict = await judge.judge("op", ["op"])
            await trio.sleep(1)
        assert verdict is RIGHT
        assert trio.current_time() - began < 10
        assert len(judge._waiting) <= MAX_WAITING
        nursery.cancel_scope.cancel()
    assert len(flood) > 1_000


async def test_whoever_leaves_while_waiting_leaves_no_trace(autojump_clock):
    judge = TokenJudge()
    await judge_all(judge, [str(number) for number in range(6)], [])
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(judge.judge, f"again {number}", ["op"])
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert judge._waiting == []
    assert await judge.judge("op", ["op"]) is RIGHT


async def test_a_token_that_was_wrong_may_be_right_after_a_reload(autojump_clock):
    judge = TokenJudge()
    assert await judge.judge("new", ["old"]) is WRONG
    assert await judge.judge("new", ["new"]) is RIGHT
