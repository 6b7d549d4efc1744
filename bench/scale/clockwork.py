"""A discrete-event simulation: a heap of events, and parts that serve a number of requests at once."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Callable

Then = Callable[[], None]


class Clock:
    """Simulated time. Events of the same moment happen in the order in which they were set."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Then]] = []
        self._set = 0

    def after(self, seconds: float, then: Then) -> None:
        self._set += 1
        heapq.heappush(self._heap, (self.now + seconds, self._set, then))

    def every(self, seconds: Callable[[], float], first: float, act: Then) -> None:
        """Acts again and again; `seconds` says how long until the next time."""

        def again() -> None:
            act()
            self.after(seconds(), again)

        self.after(first, again)

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            self.now, _, then = heapq.heappop(self._heap)
            then()
        self.now = until


class Part:
    """Serves up to `servers` requests at once, in the order in which they come."""

    def __init__(self, clock: Clock, name: str, servers: int = 1, speed: float = 1.0) -> None:
        self.clock, self.name, self.speed = clock, name, speed
        self._free = servers
        self.servers = servers
        self._waiting: deque[tuple[float, float, Then]] = deque()
        self.forget()

    def forget(self) -> None:
        """Begins to measure anew."""
        self.busy = 0.0
        self.served = 0
        self.waited = 0.0
        self.longest_wait = 0.0
        self._since = self.clock.now

    def ask(self, seconds: float, then: Then) -> None:
        """Calls `then` when a request that takes `seconds` of a server is done."""
        if self._free:
            self._serve(self.clock.now, seconds / self.speed, then)
        else:
            self._waiting.append((self.clock.now, seconds / self.speed, then))

    def _serve(self, asked: float, seconds: float, then: Then) -> None:
        self._free -= 1
        wait = self.clock.now - asked
        self.waited += wait
        self.longest_wait = max(self.longest_wait, wait)

        def done() -> None:
            self._free += 1
            self.busy += seconds
            self.served += 1
            if self._waiting:
                self._serve(*self._waiting.popleft())
            then()

        self.clock.after(seconds, done)

    def load(self) -> float:
        """The share of its time for which it was busy; what is being served counts when it is done."""
        past = self.clock.now - self._since
        return self.busy / (past * self.servers) if past else 0.0

    def mean_wait(self) -> float:
        return self.waited / self.served if self.served else 0.0

    def queue(self) -> int:
        return len(self._waiting)
