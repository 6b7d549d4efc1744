"""Named checks, run in the order they are declared, each with the value it observed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from world import World


class Skipped(Exception):
    """A check that cannot be made here, with the reason."""


@dataclass
class Context:
    """What earlier checks leave for later ones."""

    world: World
    jobs: dict[str, Any] = field(default_factory=dict)


CheckFunction = Callable[[Context], str]


@dataclass
class Check:
    name: str
    run: CheckFunction


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)


CHECKS: list[Check] = []


def check(name: str) -> Callable[[CheckFunction], CheckFunction]:
    """Declares a check; it returns what it observed and raises when that is wrong."""

    def declare(run: CheckFunction) -> CheckFunction:
        CHECKS.append(Check(name, run))
        return run

    return declare


def expect(is_so: object, observed: object) -> None:
    """Raises with what was observed unless `is_so`."""
    if not is_so:
        raise AssertionError(str(observed))


def equal(left_name: str, left: object, right_name: str, right: object) -> str:
    """Both values, which must be equal."""
    text = f"{left_name} {left} == {right_name} {right}"
    expect(left == right, text.replace("==", "!="))
    return text


def run_all(context: Context, chosen: str, details: Path) -> Tally:
    """Runs every check whose name contains `chosen`; tracebacks of failures go to `details`."""
    tally = Tally()
    for known in CHECKS:
        if chosen not in known.name:
            continue
        started = time.monotonic()
        try:
            observed = known.run(context)
        except Skipped as reason:
            tally.skipped += 1
            print(f"SKIPPED {known.name}: {reason}", flush=True)
            continue
        except Exception as problem:
            tally.failed += 1
            tally.failures.append(known.name)
            text = str(problem) or type(problem).__name__
            print(f"FAILED  {known.name}: {text[:1500]}", flush=True)
            with details.open("a", encoding="utf-8") as file:
                file.write(f"{known.name}\n{traceback.format_exc()}\n")
            continue
        tally.passed += 1
        seconds = time.monotonic() - started
        print(f"ok      {known.name}: {observed} [{seconds:.1f} s]", flush=True)
    return tally
