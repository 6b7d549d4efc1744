"""Engines, workers and what they share, event by event.

A rollout: its engine sends it, JetStream stores it, a free slot of a worker takes it and works, JetStream stores the
answer, the engine takes it, and the run appends it with what else has arrived. An append is one at a time per run.
Only then the run orders the next rollout, so a slow part slows everything down, as it does in the product.

Workers and engines die at random. The rollouts that a dead worker held go out again after `LOST_AFTER`; the jobs of a
dead engine are taken up when their claims have expired and another engine with a free slot looks for a job.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

from clockwork import Clock, Part

# Periods and sizes from the code, with the file that has them.
LOST_AFTER = 10.0  # cli: `gepa worker --lost-after`
CLAIM, RENEWAL = 5.0, 1.0  # store/postgres/src/keeper.rs
LOOK = 1.0  # server/src/jobs/hunt.rs
SAID_EVERY, SAID_AT_LEAST_EVERY, FEW_LISTENERS = 2.0, 60.0, 20  # evaluation/queue/src/presence.rs
TURN, TURN_FOR_EACH, LONGEST_TURN, VALID = 0.5, 0.002, 2.0, 3.0  # evaluation/limiter/src/shares/keeper.rs, ledger.rs
GAP_FOR_EACH, LONGEST_GAP = 0.0005, 0.05  # evaluation/limiter/src/shares/divider.rs
BYTES_OF_A_PROCESS, BYTES_OF_A_MINUTE, LARGEST_DOCUMENT = 500, 15_000, 1 << 20
CONNECTIONS_OF_AN_ENGINE = 8 + 2
# A rollout has an event of its own; trials, proposals and snapshots add about a third.
EVENTS_OF_A_ROLLOUT = 4 / 3


@dataclass
class Costs:
    """Seconds of service, each measured with one part alone; docs/benchmarks.md has the figures."""

    # Of the engine's process for a rollout that it sends, and for an answer that it takes.
    send: float = 0.36e-3 / 2
    take: float = 0.36e-3 / 2
    # JetStream stores one message: 11 395 a second.
    store: float = 1 / 11_395
    # NATS hands one message to one listener: 149 198 a second.
    hand: float = 1 / 149_198
    # PostgreSQL appends, four at once: one writer reaches 38 appends of one event a second, 16 writers 160 of them, and
    # 52 of 32 events (through pgbouncer).
    append: float = 23e-3
    event: float = 1.7e-3
    # Looks for a job under the lock of the queue: 60 a second. Claims renewed: 180 statements a second.
    look: float = 1 / 60
    renewal: float = 1 / 180
    # The divider of a shared limit changes a document of 65 kB in about 10 ms.
    change_of_a_byte: float = 10e-3 / 65_000
    # Of the worker and its evaluator for a rollout, beside the time of the evaluator itself.
    work: float = 0.0
    # Messages on their way, for a rollout and its answer together.
    wire: float = 0.8e-3


@dataclass
class Size:
    engines: int = 100
    workers: int = 10_000
    jobs: int = 4
    slots: int = 8
    seconds: float = 10.0
    # Whether all rollouts take `seconds`, or times between half and one and a half of it.
    is_constant: bool = False
    job_minutes: float = 30.0
    # Mean seconds until a process dies, and seconds until it is started again; 0 for processes that do not die.
    worker_life: float = 6 * 3600.0
    engine_life: float = 24 * 3600.0
    restart: float = 30.0
    max_connections: int = 300
    # The share of a core that each process gets where all are on one machine that other programs use as well, and
    # nothing but rollouts is simulated; 0 for machines of their own.
    share: float = 0.0


class Job:
    def __init__(self, engine: "Engine", wanted: int) -> None:
        self.engine = engine
        self.wanted = wanted
        self.pending = 0
        self.is_appending = False
        # The number of its engine's claim; what belongs to an earlier one is dropped.
        self.claim = 0
        self.left_at: float | None = None


class Engine:
    def __init__(self, part: Part) -> None:
        self.part = part
        self.jobs: list[Job] = []
        self.is_alive = True


class Worker:
    def __init__(self, slots: int, part: Part) -> None:
        self.free = slots
        self.part = part
        self.is_alive = True
        # Whether it stands among those that wait for work.
        self.is_idle = True
        self.life = 0
        self.held: dict[int, tuple[Job, int]] = {}


class Fleet:
    def __init__(self, size: Size, costs: Costs, lifted: frozenset[str] = frozenset(), seed: int = 1) -> None:
        self.clock, self.size, self.costs = Clock(), size, costs
        self.random = random.Random(seed)
        self.lifted = lifted
        # A part that is lifted is a thousand times as fast, so that the next one shows.
        self.nats = self._part("NATS")
        self.database = self._part("PostgreSQL: appends and claims", servers=4)
        self.lock = self._part("the lock of the queue of jobs")
        self.divider = self._part("shared limits: the process that divides")
        self.parts = [self.nats, self.database, self.lock, self.divider]
        self.engines = [Engine(self._part("an engine")) for _ in range(size.engines)]
        self.workers = [Worker(size.slots, self._part("a worker")) for _ in range(size.workers)]
        self.idle: deque[Worker] = deque(self.workers)
        self.queue: deque[tuple[Job, int]] = deque()
        self.orphans: deque[Job] = deque()
        self.work_number = 0
        self.settled = self.redelivered = 0
        self.late_turns = self.turns = 0
        self.takeovers: list[float] = []
        self.limits: list[str] = []

    def _part(self, name: str, servers: int = 1) -> Part:
        speed = 1000.0 if name in self.lifted else self.size.share or 1.0
        return Part(self.clock, name, servers, speed)

    def run(self, warm_up: float, seconds: float) -> float:
        """Rollouts settled in a second, after the warm-up."""
        self._hard_limits()
        size = self.size
        slots, jobs = size.workers * size.slots, size.engines * size.jobs
        for number in range(jobs):
            engine = self.engines[number % size.engines]
            job = Job(engine, slots // jobs + (number < slots % jobs))
            engine.jobs.append(job)
            for _ in range(job.wanted):
                # Runs do not begin at the same moment.
                self.clock.after(self.random.random() * min(warm_up / 4, size.seconds), lambda job=job: self._order(job, 0))
        if not size.share:
            self._housekeeping()
        self.clock.run(warm_up)
        self.settled = self.redelivered = self.turns = self.late_turns = 0
        for part in [*self.parts, *(engine.part for engine in self.engines)]:
            part.forget()
        self.clock.run(warm_up + seconds)
        return self.settled / seconds

    def _hard_limits(self) -> None:
        """What breaks because of its size, at every load."""
        size = self.size
        wanted = size.engines * CONNECTIONS_OF_AN_ENGINE
        if not size.share and wanted > size.max_connections and "connections" not in self.lifted:
            self.limits.append("PostgreSQL: connections")
        document = self._document()
        if not size.share and document > LARGEST_DOCUMENT and "document" not in self.lifted:
            self.limits.append("shared limits: size of the document")

    def _document(self) -> float:
        return BYTES_OF_A_MINUTE + BYTES_OF_A_PROCESS * (self.size.engines + self.size.workers)

    # One rollout.

    def _order(self, job: Job, claim: int) -> None:
        if claim != job.claim:
            return
        job.engine.part.ask(self.costs.send, lambda: self._send(job, claim))

    def _send(self, job: Job, claim: int) -> None:
        self.nats.ask(self.costs.store, lambda: self._queued(job, claim))

    def _queued(self, job: Job, claim: int) -> None:
        while self.idle:
            worker = self.idle.popleft()
            worker.is_idle = False
            if worker.is_alive and worker.free:
                self._begin(worker, job, claim)
                return
        self.queue.append((job, claim))

    def _begin(self, worker: Worker, job: Job, claim: int) -> None:
        worker.free -= 1
        self._offer(worker)
        self.work_number += 1
        number, life = self.work_number, worker.life
        worker.held[number] = (job, claim)
        seconds = self.size.seconds * (1.0 if self.size.is_constant else 0.5 + self.random.random())

        def worked() -> None:
            if worker.life != life:
                return
            worker.part.ask(self.costs.work, lambda: self._answer(worker, life, number))

        self.clock.after(self.costs.wire + seconds, worked)

    def _answer(self, worker: Worker, life: int, number: int) -> None:
        if worker.life != life:
            return
        job, claim = worker.held.pop(number)
        self.nats.ask(self.costs.store, lambda: self._arrived(job, claim))
        self._free(worker)

    def _free(self, worker: Worker) -> None:
        worker.free += 1
        while self.queue and worker.free:
            job, claim = self.queue.popleft()
            if claim == job.claim:
                self._begin(worker, job, claim)
                return
        self._offer(worker)

    def _offer(self, worker: Worker) -> None:
        if worker.free and not worker.is_idle:
            worker.is_idle = True
            self.idle.append(worker)

    def _arrived(self, job: Job, claim: int) -> None:
        if claim == job.claim:
            job.engine.part.ask(self.costs.take, lambda: self._pending(job, claim))

    def _pending(self, job: Job, claim: int) -> None:
        if claim != job.claim:
            return
        job.pending += 1
        if not job.is_appending:
            self._append(job, claim)

    def _append(self, job: Job, claim: int) -> None:
        rollouts, job.pending, job.is_appending = job.pending, 0, True
        seconds = self.costs.append + self.costs.event * rollouts * EVENTS_OF_A_ROLLOUT

        def appended() -> None:
            if claim != job.claim:
                return
            job.is_appending = False
            self.settled += rollouts
            for _ in range(rollouts):
                self._order(job, claim)
            if job.pending:
                self._append(job, claim)

        self.database.ask(seconds, appended)

    # What goes on beside the rollouts.

    def _housekeeping(self) -> None:
        clock, size, random = self.clock, self.size, self.random
        jobs = size.engines * size.jobs
        holders = size.engines + size.workers
        turn = min(max(TURN, TURN_FOR_EACH * holders), LONGEST_TURN)
        self.asked: list[float] = []
        self._next_change()
        for engine in self.engines:
            clock.every(lambda: RENEWAL, random.random() * RENEWAL, lambda engine=engine: engine.is_alive and self.database.ask(self.costs.renewal, _nothing))
            clock.every(lambda: LOOK, random.random() * LOOK, lambda engine=engine: self._look(engine))
            if size.engine_life:
                clock.after(random.expovariate(1 / size.engine_life), lambda engine=engine: self._kill_engine(engine))
        for worker in self.workers:
            if size.worker_life:
                clock.after(random.expovariate(1 / size.worker_life), lambda worker=worker: self._kill_worker(worker))
        # Holders of shares ask one after the other, so one event stands for each of them.
        clock.every(lambda: random.expovariate(holders / turn), 0.0, lambda: self.asked.append(clock.now))
        for speakers, listeners in [(size.workers, jobs), (jobs, size.workers)]:
            pause = min(SAID_EVERY * max(listeners // FEW_LISTENERS, 1), SAID_AT_LEAST_EVERY)
            say = lambda listeners=listeners: self.nats.ask(self.costs.hand * listeners, _nothing)
            clock.every(lambda rate=speakers / pause: random.expovariate(rate), 0.0, say)
        # A job that ends, and one that is submitted, make all engines look.
        ended = jobs / (size.job_minutes * 60)
        clock.every(lambda: random.expovariate(2 * ended), random.random(), lambda: [self._look(engine) for engine in self.engines])

    def _next_change(self) -> None:
        asked, self.asked = self.asked, []
        holders = self.size.engines + self.size.workers
        gap = min(GAP_FOR_EACH * holders, LONGEST_GAP)

        def changed() -> None:
            self.turns += len(asked)
            self.late_turns += sum(self.clock.now - at > VALID for at in asked)
            self.clock.after(gap, self._next_change)

        if asked:
            self.divider.ask(self.costs.change_of_a_byte * self._document(), changed)
        else:
            self.clock.after(max(gap, 0.001), self._next_change)

    def _look(self, engine: Engine) -> None:
        if not engine.is_alive:
            return

        def looked() -> None:
            if engine.is_alive and self.orphans and len(engine.jobs) < self.size.jobs + 1:
                job = self.orphans.popleft()
                self.takeovers.append(self.clock.now - job.left_at)
                job.engine = engine
                engine.jobs.append(job)
                for _ in range(job.wanted):
                    self._order(job, job.claim)

        self.lock.ask(self.costs.look, looked)

    def _kill_worker(self, worker: Worker) -> None:
        worker.is_alive, worker.free = False, 0
        worker.life += 1
        held, worker.held = worker.held, {}
        for job, claim in held.values():
            self.redelivered += 1
            self.clock.after(LOST_AFTER, lambda job=job, claim=claim: claim == job.claim and self._queued(job, claim))

        def again() -> None:
            worker.is_alive = True
            for _ in range(self.size.slots):
                self._free(worker)
            self.clock.after(self.random.expovariate(1 / self.size.worker_life), lambda: self._kill_worker(worker))

        self.clock.after(self.size.restart, again)

    def _kill_engine(self, engine: Engine) -> None:
        engine.is_alive = False
        jobs, engine.jobs = engine.jobs, []
        # The last renewal was up to a second ago.
        left = CLAIM - self.random.random() * RENEWAL
        for job in jobs:
            job.claim += 1
            job.pending, job.is_appending, job.left_at = 0, False, self.clock.now
            self.clock.after(left, lambda job=job: self.orphans.append(job))

        def again() -> None:
            engine.is_alive = True
            self.clock.after(self.random.expovariate(1 / self.size.engine_life), lambda: self._kill_engine(engine))

        self.clock.after(self.size.restart, again)


def _nothing() -> None:
    pass
