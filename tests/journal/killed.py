"""A migration whose process is killed, as its database sees it."""

from contextlib import contextmanager


class Killed(Exception):
    """Somebody has said ``kill -9``."""


class Mortal:
    """A database whose user is killed in one of its transactions: at its end, just before it is done or just after."""

    def __init__(self, database, transactions, *, after):
        self._database, self._left, self._after = database, transactions, after

    def __getattr__(self, name):
        return getattr(self._database, name)

    @contextmanager
    def transaction(self, *, writes):
        self._left -= 1
        with self._database.transaction(writes=writes):
            yield
            if self._left < 0 and not self._after:
                raise Killed
        if self._left < 0:
            raise Killed

    def build_index(self, name, on):
        self._left -= 1
        if self._left >= 0 or self._after:
            self._database.build_index(name, on)
        if self._left < 0:
            raise Killed
