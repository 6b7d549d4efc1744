#!/usr/bin/env python3
"""What breaks first when engines and workers become many: each shared part's load beside what it can carry.

    python3 bench/scale/simulate.py [--engines N] [--workers N] [--seconds-per-rollout S] [--job-minutes M]

What a part carries was measured one part at a time by the commands in PARTS, with debug builds on two cores that
about 20 other processes wanted as well. So the sizes at which parts are full are low; their order is what counts.
What a part has to carry follows from the periods and sizes in the code, named beside them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

# Measured: what a part carries in a second, and the command that shows it.
PARTS = {
    "stored": (11_395, "evaluation/queue/examples/queue_cost: messages stored and confirmed, 256 at once"),
    "handed": (149_198, "evaluation/queue/examples/queue_cost: messages handed to 10 listeners each"),
    "looks": (60, "store/examples/fleet_cost: looks of 32 engines among 1 000 jobs that wait"),
    "renewals": (180, "store/examples/fleet_cost: claims renewed, one statement each"),
    "events": (1_664, "store/examples/writers: 16 writers, 32 events per append, through pgbouncer"),
}

# From the code: evaluation/queue/src/presence.rs, evaluation/limiter/src/shares, store/postgres/src, server/src/jobs.
SAID_EVERY, SAID_AT_LEAST_EVERY, FEW_LISTENERS = 2.0, 60.0, 20
# The document of a shared limit: what it holds for each process, and for the last minute. NATS takes 1 MiB at once.
BYTES_OF_A_PROCESS, BYTES_OF_A_MINUTE, LARGEST_DOCUMENT = 500, 15_000, 1 << 20
# One statement renews all claims of an engine.
RENEWED_EVERY = 1.0
LOOK_EVERY = 1.0
CONNECTIONS_OF_AN_ENGINE = 8 + 2
MAX_CONNECTIONS = 300
# A rollout writes its own event; trials, proposals and snapshots add about a third.
EVENTS_OF_A_ROLLOUT = 1.33
# Work out, work taken, answer in, answer taken.
MESSAGES_OF_A_ROLLOUT = 2.0


@dataclass
class Load:
    part: str
    wanted: float
    carries: float
    unit: str

    @property
    def share(self) -> float:
        return self.wanted / self.carries


def value(part: str) -> float:
    return PARTS[part][0]


def loads(engines: int, workers: int, jobs: int, slots: int, seconds: float, minutes: float) -> list[Load]:
    running = engines * jobs
    rollouts = workers * slots / seconds
    ended = running / (minutes * 60)
    # Each worker says what it offers to every job's desk, and each desk what it wants to every worker, less often where
    # many listen.
    said = workers * running / pace(running) + running * workers / pace(workers)
    return [
        Load("NATS: processes that say they are there", said, value("handed"), "messages/s"),
        Load("NATS: work and answers stored", rollouts * MESSAGES_OF_A_ROLLOUT, value("stored"), "messages/s"),
        Load("PostgreSQL: events appended", rollouts * EVENTS_OF_A_ROLLOUT, value("events"), "events/s"),
        Load("PostgreSQL: claims renewed", engines / RENEWED_EVERY, value("renewals"), "statements/s"),
        Load("PostgreSQL: connections", engines * CONNECTIONS_OF_AN_ENGINE, MAX_CONNECTIONS, "connections"),
        Load("shared limits: size of the document", document(engines + workers), LARGEST_DOCUMENT, "bytes"),
        Load("the lock of the queue of jobs", looks_wanted(engines, ended), value("looks"), "looks/s"),
    ]


def pace(listeners: int) -> float:
    return min(SAID_EVERY * max(listeners // FEW_LISTENERS, 1), SAID_AT_LEAST_EVERY)


def document(processes: int) -> float:
    """One process changes the document for all, at most 50 times a second, so its size is what grows."""
    return BYTES_OF_A_MINUTE + BYTES_OF_A_PROCESS * processes


def looks_wanted(engines: int, ended: float) -> float:
    """Looks a second: each engine once a second, and all of them when a job ends, is submitted or commanded."""
    return engines / LOOK_EVERY + engines * 2 * ended


def first_over(grow, most: int) -> int | None:
    """The smallest size at which `grow` is above 1, if there is one."""
    low, high = 1, most
    if grow(high) <= 1:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if grow(middle) > 1 else (middle + 1, high)
    return low


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engines", type=int, default=100)
    parser.add_argument("--workers", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=4, help="that an engine runs at once")
    parser.add_argument("--slots", type=int, default=8, help="of a worker")
    parser.add_argument("--seconds-per-rollout", type=float, default=10.0)
    parser.add_argument("--job-minutes", type=float, default=30.0)
    given = parser.parse_args()
    ratio = given.workers / given.engines

    def at(engines: int) -> list[Load]:
        workers = max(1, round(engines * ratio))
        return loads(engines, workers, given.jobs, given.slots, given.seconds_per_rollout, given.job_minutes)

    print(f"{given.engines} engines with {given.jobs} jobs each, {given.workers} workers with {given.slots} slots, ")
    print(f"{given.seconds_per_rollout:.0f} s a rollout, {given.job_minutes:.0f} minutes a job:\n")
    print("| part | has to carry | can carry | load | full at |\n|---|---|---|---|---|")
    rows = []
    for place, load in enumerate(at(given.engines)):
        full = first_over(lambda engines: at(engines)[place].share, 4 * given.engines)
        rows.append((full or 1e9, load, full))
    for _, load, full in sorted(rows, key=lambda row: row[0]):
        where = f"{full} engine{'s' if full > 1 else ''}, {round(full * ratio)} workers" if full else f"above {4 * given.engines} engines"
        print(f"| {load.part} | {load.wanted:,.0f} {load.unit} | {load.carries:,.0f} | {load.share:,.2f} | {where} |")


if __name__ == "__main__":
    main()
