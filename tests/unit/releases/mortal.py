"""A monitor that dies at a chosen point: right before or after a call to anything outside it."""

from collections.abc import Callable

from tests.releases_fixtures import House


class Died(BaseException):
    """The process is gone: nothing catches this."""


class Mortal:
    """Makes a house's monitor die right before or after the call number `at` to anything outside it."""

    CALLS = (("target", ("load", "set_weights", "unload")), ("registry", ("set_alias", "set_tags")),
             ("outbox", ("settle",)), ("store", ("system",)))

    def __init__(self, house: House) -> None:
        self.house = house
        self.calls = 0
        self.at = -1
        for name, methods in self.CALLS:
            for method in methods:
                self._wrap(getattr(house, name), method)

    def _wrap(self, thing: object, method: str) -> None:
        real: Callable[..., object] = getattr(thing, method)

        def wrapped(*args: object, **kwargs: object) -> object:
            self._step()
            done = real(*args, **kwargs)
            self._step()
            return done

        setattr(thing, method, wrapped)

    def _step(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise Died

    def dies_at(self, point: int) -> bool:
        """Let the monitor work until it dies at that point; tell whether it did."""
        self.calls, self.at = 0, point
        try:
            self.house.run(31)
        except Died:
            self.house.worker = self.house.new_worker()
            return True
        finally:
            self.at = -1
        return False
