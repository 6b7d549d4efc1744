"""What is compared: every system in every mode, and how each is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class System:
    """One optimizer in one mode."""

    name: str
    """Short and without spaces, for files."""
    label: str
    """For tables and pictures."""
    kind: str
    """`ours`, `reference`, `crate` or `synth`."""
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    """Config keys for ours, arguments for the drivers."""


@dataclass(frozen=True)
class Programs:
    """What `run.sh` has built and installed; a system without its program is left out, loudly."""

    ours: Path
    server: Path
    crate: Path | None
    reference_python: Path | None
    synth_python: Path | None


def ordered(gate: int, pareto: int, reflections: int) -> dict[str, Any]:
    """The ordered schedule with these lags, and as many reflections at once as they can use."""
    return lags("ordered", gate, pareto, reflections)


def free(gate: int, pareto: int, reflections: int) -> dict[str, Any]:
    """The free schedule with these lags."""
    return lags("free", gate, pareto, reflections)


def lags(schedule: str, gate: int, pareto: int, reflections: int) -> dict[str, Any]:
    return {
        "run.schedule": schedule,
        "run.gate_lag": gate,
        "run.pareto_lag": pareto,
        "reflection.max_concurrent": reflections,
    }


SYSTEMS = {
    system.name: system
    for system in (
        System("ours", "ours, defaults", "ours"),
        System("ours-sequential", "ours, sequential", "ours", ordered(1, 1, 1)),
        System("ours-ordered-16-16", "ours, ordered 16/16", "ours", ordered(16, 16, 32)),
        System("ours-free-8-8", "ours, free 8/8", "ours", free(8, 8, 16)),
        System("ours-free-16-16", "ours, free 16/16", "ours", free(16, 16, 32)),
        System("ours-free-32-32", "ours, free 32/32", "ours", free(32, 32, 64)),
        System("reference", "gepa 0.1.4 (Python)", "reference"),
        System("reference-2x2", "gepa 0.1.4, 2x2", "reference", {"parents": 2, "batches": 2}),
        System("reference-4x4", "gepa 0.1.4, 4x4", "reference", {"parents": 4, "batches": 4}),
        System("reference-8x1", "gepa 0.1.4, 8x1", "reference", {"parents": 8, "batches": 1}),
        System("crate", "crate gepa 0.1.0", "crate"),
        System("synth", "synth-optimizers", "synth"),
    )
}


def command(system: System, programs: Programs, arguments: dict[str, Any]) -> list[str] | None:
    """The command line of a driver, or nothing where its program is missing. Not for ours."""
    given = arguments | system.options
    words = [str(word) for name, value in given.items() for word in (f"--{name}", value)]
    program: list[Path | str | None] = {
        "crate": [programs.crate],
        "reference": [programs.reference_python, HERE / "drivers" / "reference.py"],
        "synth": [programs.synth_python, HERE / "drivers" / "synth.py"],
    }[system.kind]
    if program[0] is None:
        return None
    return [str(part) for part in program] + words
