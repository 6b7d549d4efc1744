#!/usr/bin/env python3
"""What breaks first when engines and workers become many, event by event; and the simulation beside measured runs.

    python3 bench/scale/simulate.py [--engines N] [--workers N] [--seconds-per-rollout S] [--job-minutes M]
    python3 bench/scale/simulate.py --check MEASURED.json

The first form lets engines and workers grow in their proportion until the workers cannot be kept busy, or a part is
overloaded, late or at a limit of its own. It names the part, makes it a thousand times as fast, and goes on with the
next one. `fleet.py` has the model, and the service times that were measured with one part alone.

The second form simulates the runs of `bench/workers/measure.py`, whose JSON has the service times of that machine
(processor time of engine, worker and NATS server for a rollout, and what a message takes), and prints both rates. It
fails if they differ by more than 15 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from fleet import Costs, Fleet, Size

# Rollouts that are done, against those that the slots could do.
ENOUGH = 0.95
FULL = 0.95
# Turns of holders of a shared limit that come too late, so that a holder loses its share.
LATE_TURNS = 0.01
LARGEST_DIFFERENCE = 0.15


def broken(fleet: Fleet, rate: float, possible: float) -> tuple[str, str] | None:
    """The part that breaks, and how it shows."""
    if fleet.limits:
        return fleet.limits[0], "it takes no more"
    if fleet.turns and fleet.late_turns > LATE_TURNS * fleet.turns:
        return fleet.divider.name, f"{100 * fleet.late_turns / fleet.turns:.0f} % of turns come too late"
    engines = max((engine.part for engine in fleet.engines), key=lambda part: part.load())
    part = max([*fleet.parts, engines], key=lambda part: part.load())
    if part.load() > FULL or rate < ENOUGH * possible:
        used = f"workers are busy for {100 * min(1.0, rate / possible):.0f} % of their time"
        return part.name, f"load {part.load():.2f}, longest wait {part.longest_wait:.1f} s; {used}"
    return None


def simulate(size: Size, lifted: frozenset[str], seconds: float) -> tuple[Fleet, float, float]:
    fleet = Fleet(size, Costs(), lifted)
    rate = fleet.run(warm_up=1.5 * size.seconds, seconds=seconds)
    # A slot waits for its next rollout while the answer to the last one is stored, which belongs to the model.
    return fleet, rate, size.workers * size.slots / (size.seconds + 0.2)


def grow(base: Size, seconds: float) -> None:
    ratio = base.workers / base.engines
    lifted: frozenset[str] = frozenset()
    keys = {"PostgreSQL: connections": "connections", "shared limits: size of the document": "document"}

    def at(engines: int):
        size = replace(base, engines=engines, workers=round(engines * ratio))
        fleet, rate, possible = simulate(size, lifted, seconds)
        return fleet, rate, broken(fleet, rate, possible)

    print("| breaks | at | rollouts/s there | how it shows |\n|---|---|---|---|")
    smallest = 1
    while True:
        low, high, last = smallest, base.engines, None
        while low < high:
            middle = (low + high) // 2
            fleet, rate, why = at(middle)
            low, high, last = (low, middle, (fleet, rate, why)) if why else (middle + 1, high, last)
        fleet, rate, why = at(low)
        if why is None:
            print(f"\nwith these parts lifted: {low} engines, {round(low * ratio)} workers, {rate:,.0f} rollouts/s")
            break
        part, how = why
        workers = f"{low} engine{'s' if low > 1 else ''}, {round(low * ratio):,} workers"
        print(f"| {part} | {workers} | {rate:,.0f} | {how} |", flush=True)
        lifted |= {keys.get(part, part)}
        smallest = low
    if fleet.takeovers:
        times = sorted(fleet.takeovers)
        print(f"{len(times)} jobs of dead engines taken up after {times[len(times) // 2]:.1f} s (median), {times[-1]:.1f} s at most; {fleet.redelivered} rollouts of dead workers handed out again")


def check(path: Path) -> None:
    measured = json.loads(path.read_text())
    cpu = measured["cpu_seconds"]
    share = measured["share_of_processor"]
    costs = Costs(
        send=cpu["engine"] / 2,
        take=cpu["engine"] / 2,
        store=cpu["nats"] / 2,
        work=cpu["worker"],
        # The engine's processor time has that of its appends to SQLite.
        append=0.0,
        event=0.0,
        wire=measured["wire_seconds"],
    )
    print(f"{measured['machine']}; {share:.2f} of the processor was free")
    print("| workers | measured | simulated | difference |\n|---|---|---|---|")
    worst = 0.0
    for workers, rate in measured["rates"].items():
        size = Size(
            engines=1,
            workers=int(workers),
            jobs=1,
            slots=measured["slots"],
            seconds=measured["rollout_seconds"],
            is_constant=True,
            share=share,
            worker_life=0,
            engine_life=0,
        )
        simulated = Fleet(size, costs).run(warm_up=1.0, seconds=20.0)
        difference = simulated / rate - 1
        worst = max(worst, abs(difference))
        print(f"| {workers} | {rate:.1f}/s | {simulated:.1f}/s | {100 * difference:+.1f} % |")
    if worst > LARGEST_DIFFERENCE:
        sys.exit(f"the simulation differs by {100 * worst:.0f} %")


def main() -> None:
    size = Size()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", type=int, default=size.engines)
    parser.add_argument("--workers", type=int, default=size.workers)
    parser.add_argument("--jobs", type=int, default=size.jobs, help="that an engine runs at once")
    parser.add_argument("--slots", type=int, default=size.slots, help="of a worker")
    parser.add_argument("--seconds-per-rollout", type=float, default=size.seconds)
    parser.add_argument("--job-minutes", type=float, default=size.job_minutes)
    parser.add_argument("--worker-life-hours", type=float, default=size.worker_life / 3600)
    parser.add_argument("--engine-life-hours", type=float, default=size.engine_life / 3600)
    parser.add_argument("--seconds", type=float, default=30.0, help="that are simulated of each size")
    parser.add_argument("--check", type=Path, help="the JSON of bench/workers/measure.py")
    given = parser.parse_args()
    if given.check:
        check(given.check)
        return
    size = Size(
        engines=given.engines,
        workers=given.workers,
        jobs=given.jobs,
        slots=given.slots,
        seconds=given.seconds_per_rollout,
        job_minutes=given.job_minutes,
        worker_life=given.worker_life_hours * 3600,
        engine_life=given.engine_life_hours * 3600,
    )
    grow(size, given.seconds)


if __name__ == "__main__":
    main()
