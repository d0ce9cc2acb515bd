"""The replicas of a deployment, each computing one thing after the other, and the queue at their callers."""

import random
from array import array
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Taken = Callable[[float, "Replica", Any], None]


class Loop:
    """What happens when. `run` goes on until `until_s`; what is due then has not happened yet."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, at_s: float, happens: Callable[..., None], *arguments: Any) -> None:
        """Calls `happens(at_s, *arguments)`."""
        self._count += 1
        heappush(self._due, (at_s, self._count, happens, arguments))

    def run(self, until_s: float) -> None:
        due = self._due
        while due and due[0][0] < until_s:
            at_s, _, happens, arguments = heappop(due)
            happens(at_s, *arguments)


class Replica:
    """`free_s`: when it has computed all that it was given."""

    __slots__ = ("batch", "free_s", "ongoing", "streams", "waiting")

    def __init__(self) -> None:
        self.free_s = 0.0
        self.ongoing = 0
        self.streams = 0
        self.waiting: deque[Any] = deque()  # of an Ingress replica: queries for its next batch
        self.batch = False  # whether one is on its way

    def compute(self, now_s: float, seconds: float) -> float:
        """When it is done. To be called in the order of time."""
        start = self.free_s if self.free_s > now_s else now_s
        self.free_s = start + seconds
        return self.free_s


class Station:
    """Serve's router: of two replicas the one with fewer requests, of those below max_ongoing; else the queue."""

    def __init__(self, name: str, *, max_ongoing: int, max_queued: int, seed: int = 0) -> None:
        self.name = name
        self.replicas: list[Replica] = []
        self.refused_s = array("d")  # when a request was shed, or a query went on without this stage
        self.waits = array("d"), array("f")  # when, and for how long a request waited
        self.ongoing = 0
        self.callers = 1  # each has a queue of its own
        self._max_ongoing, self._max_queued = max_ongoing, max_queued
        self._queue: deque[tuple[Taken, Any]] = deque()
        self._random = random.Random(seed).random

    def call(self, now_s: float, taken: Taken, what: Any) -> bool:
        """Calls taken(when, replica, what), now or later. False: the queue is full."""
        replica = self._choice()
        if replica is None and len(self._queue) >= self._max_queued * self.callers:
            return False
        self.ongoing += 1
        if replica is None:
            self._queue.append((taken, what))
        else:
            replica.ongoing += 1
            taken(now_s, replica, what)
        return True

    def done(self, now_s: float, replica: Replica) -> None:
        replica.ongoing -= 1
        self.ongoing -= 1
        self._next(now_s)

    def waited(self, now_s: float, seconds: float) -> None:
        self.waits[0].append(now_s)
        self.waits[1].append(seconds)

    def scale(self, now_s: float, count: int) -> None:
        """A replica that goes takes nothing new and finishes what it has. The least busy goes first."""
        while len(self.replicas) > count:
            self.replicas.remove(min(self.replicas, key=lambda replica: replica.ongoing))
        while len(self.replicas) < count:
            self.replicas.append(Replica())
            while self._queue and self._choice() is not None:
                self._next(now_s)

    def _next(self, now_s: float) -> None:
        if self._queue and (free := self._choice()) is not None:
            taken, what = self._queue.popleft()
            free.ongoing += 1
            taken(now_s, free, what)

    def _choice(self) -> Replica | None:
        replicas, n = self.replicas, len(self.replicas)
        if n == 0:
            return None
        one, other = replicas[int(self._random() * n)], replicas[int(self._random() * n)]
        best = one if one.ongoing <= other.ongoing else other
        if best.ongoing < self._max_ongoing:
            return best
        best = min(replicas, key=lambda replica: replica.ongoing)
        return best if best.ongoing < self._max_ongoing else None
