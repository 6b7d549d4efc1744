"""From what was observed of a run to its record: one flat JSON object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.observed import Candidate, Observed

BINS = 60
"""The number of equal parts of a run for which slot utilisation is recorded."""


def measures(
    candidates: list[Candidate],
    seen: Observed,
    ledger: dict[str, Any],
    timeline: list[tuple[str, float, float]],
    slots: int,
    score: Callable[[str], dict[str, float]],
    seed_prompt: str,
) -> dict[str, Any]:
    """Everything that is compared, by the server's clock and books wherever they can tell it."""
    first = ledger["first_at_ms"]
    wall = max((end for _, _, end in timeline), default=0.0) / 1e3
    policy = np.array([(begin, end) for kind, begin, end in timeline if kind == "policy"])
    busy = float((policy[:, 1] - policy[:, 0]).sum()) / 1e3 if len(policy) else 0.0
    calls = int(ledger["policy_calls"])
    start = next((line for line in seen.lines if line["event"] == "start"), {})
    accepted = max(len(candidates) - 1, 0)
    found = points(candidates, first, policy, seen.books, score, seed_prompt)
    return {
        "points": found,
        "seed_test": found[0][4],
        "seed_pareto": found[0][5],
        "final_test": found[-1][4],
        "final_pareto": found[-1][5],
        "observed_pareto": found[-1][3],
        "accepted": accepted,
        "wall_seconds": wall,
        "process_seconds": seen.process_seconds,
        "policy_calls": calls,
        "reflector_calls": ledger["reflector_calls"],
        "tokens": ledger["prompt_tokens"] + ledger["completion_tokens"],
        "errors": ledger["errors"],
        "max_in_flight": ledger["max_in_flight"],
        "model_seconds": ledger["model_seconds"],
        "concurrency": ledger["model_seconds"] / wall if wall else None,
        "utilisation": busy / wall / slots if wall else None,
        "utilisation_over_time": utilisation(policy, wall * 1e3, slots),
        "seconds_per_accepted": wall / accepted if accepted else None,
        "peak_megabytes": seen.peak_megabytes,
        "cpu_seconds": seen.cpu_seconds,
        "cpu_start_seconds": start.get("cpu_seconds"),
        "cpu_ms_per_rollout": cpu_per_rollout(seen, start.get("cpu_seconds"), calls),
    }


def points(
    candidates: list[Candidate],
    first_ms: float,
    policy: np.ndarray,
    books: list[tuple[int, int]],
    score: Callable[[str], dict[str, float]],
    seed_prompt: str,
) -> list[list[float | None]]:
    """The best candidate so far, by the scores the optimizer saw: seconds, policy calls and tokens
    by then, that score, and the expected accuracy on the hidden test set and on the pareto set.
    Before the first call it is the seed prompt."""
    ends = np.sort(policy[:, 1]) if len(policy) else np.array([])
    known_calls, known_tokens = np.maximum.accumulate(np.array(books or [(0, 0)]), axis=0).T
    truth = score(seed_prompt)
    found: list[list[float | None]] = [[0.0, 0, 0, None, truth["test"], truth["pareto"]]]
    best = None
    for candidate in candidates:
        if best is not None and candidate.score <= best:
            continue
        best = candidate.score
        since = candidate.at_ms - first_ms
        calls = int(np.searchsorted(ends, since, side="right"))
        tokens = float(np.interp(calls, known_calls, known_tokens))
        truth = score(candidate.text)
        found.append([since / 1e3, calls, tokens, best, truth["test"], truth["pareto"]])
    return found


def utilisation(policy: np.ndarray, wall_ms: float, slots: int) -> list[float]:
    """The share of slots busy in each of `BINS` equal parts of the run."""
    if not len(policy) or wall_ms <= 0.0:
        return []
    edges = np.linspace(0.0, wall_ms, BINS + 1)
    begins, ends = policy[:, :1], policy[:, 1:]
    within = np.clip(np.minimum(ends, edges[1:]) - np.maximum(begins, edges[:-1]), 0.0, None)
    shares = within.sum(axis=0) / (wall_ms / BINS) / slots
    return [round(float(share), 4) for share in shares]


def cpu_per_rollout(seen: Observed, start: float | None, calls: int) -> float | None:
    """Milliseconds of client CPU per policy call; loading interpreter and libraries is left out."""
    return (seen.cpu_seconds - (start or 0.0)) / calls * 1e3 if calls else None
