"""Which runs an experiment consists of."""

from __future__ import annotations

from dataclasses import dataclass

from harness.server import Latency, World
from harness.systems import SYSTEMS, System

FAMILIES = (
    "additive",
    "interference",
    "forgetting",
    "format_trap",
    "noisy",
    "nothing_learnable",
    "held_out",
)

LIKE_MODELS = Latency(100.0, 0.6, 1000.0, 0.35)
"""Rollouts of 2 s and reflections of 20 s, twenty times faster."""

NO_LIMIT = 1_000_000


@dataclass(frozen=True)
class Run:
    """One system on one world."""

    experiment: str
    system: System
    world: World
    slots: int
    budget: int
    """Policy calls."""
    seconds: int | None = None
    """The budget where time is what everyone gets the same of; policy calls are then no limit."""

    def key(self) -> str:
        """Names the run among the records, and on the server."""
        world = self.world
        place = f"{world.family}.{world.seed}.{world.pareto}"
        return f"{self.experiment}.{self.system.name}.{place}.{self.slots}.{self.budget}"


@dataclass(frozen=True)
class Experiment:
    """Runs that share a latency, and how many of them run at once."""

    name: str
    title: str
    latency: Latency
    runs: list[Run]
    at_once: int
    limit_seconds: float


def equal_rollouts(seeds: int, families: tuple[str, ...], budget: int, pareto: int) -> Experiment:
    """(A) The same number of policy calls for everyone; latency only as large as order needs it."""
    names = (
        "ours",
        "ours-sequential",
        "ours-free-16-16",
        "reference",
        "reference-4x4",
        "crate",
    )
    runs = [
        Run("rollouts", SYSTEMS[name], World(family, seed, pareto), 16, budget)
        for seed in range(seeds)
        for family in families
        for name in names
    ]
    latency = Latency(4.0, 0.6, 40.0, 0.35)
    return Experiment("rollouts", "equal rollouts", latency, runs, 3, 300.0)


def equal_time(seeds: int, places: tuple[tuple[str, int], ...], seconds: int) -> Experiment:
    """(B) The same time for every system, with any number of policy calls. `places` are families
    with their numbers of slots."""
    names = (
        "ours",
        "ours-ordered-16-16",
        "ours-free-8-8",
        "ours-free-16-16",
        "ours-free-32-32",
        "reference",
        "reference-2x2",
        "reference-4x4",
        "reference-8x1",
        "crate",
    )
    runs = [
        Run("time", SYSTEMS[name], World(family, seed, 100), slots, NO_LIMIT, seconds)
        for seed in range(seeds)
        for family, slots in places
        for name in names
    ]
    return Experiment("time", "equal time", LIKE_MODELS, runs, 9, seconds + 120.0)


def small(seeds: int, budget: int, pareto: int) -> Experiment:
    """(C) A budget small enough for synth-optimizers, which takes about 100 ms of CPU per rollout,
    to end in time. There are too few worlds to claim a mean."""
    names = ("ours", "ours-free-16-16", "reference", "crate", "synth")
    runs = [
        Run("small", SYSTEMS[name], World("interference", seed, pareto), 16, budget)
        for seed in range(seeds)
        for name in names
    ]
    return Experiment("small", "small budget", LIKE_MODELS, runs, 2, 400.0)


def measured() -> list[Experiment]:
    """What `docs/benchmarks.md` shows."""
    return [
        equal_rollouts(20, FAMILIES, 800, 50),
        equal_time(20, (("interference", 64), ("held_out", 64), ("held_out", 16)), 15),
        small(3, 150, 20),
    ]


def quick() -> list[Experiment]:
    """The same paths in a minute, for CI: nothing is claimed from it."""
    rollouts = equal_rollouts(2, ("interference",), 200, 20)
    timed = equal_time(1, (("interference", 16),), 4)
    return [rollouts, timed, small(1, 100, 20)]
