"""Token buckets: how often somebody may do something."""

import time
from collections import OrderedDict
from collections.abc import Callable


class Buckets:
    """One bucket a key, each refilled evenly over a minute.

    At most ``size`` buckets are kept; the one that was used longest ago is forgotten first.
    """

    def __init__(
        self, per_minute: int, size: int = 20_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = float(per_minute)
        self._size = size
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: str) -> float:
        """Take one token; 0 when there was one, else the seconds until there is."""
        now = self._clock()
        level, since = self._levels.pop(key, (self._capacity, now))
        level = min(self._capacity, level + (now - since) * self._capacity / 60)
        wait = 0.0 if level >= 1 else (1 - level) * 60 / self._capacity
        self._levels[key] = (level if wait else level - 1, now)
        if len(self._levels) > self._size:
            self._levels.popitem(last=False)
        return wait
