"""Runs the reference implementation on worlds of the grid of policies, one run after the other.

Each finished run becomes a line of the results file of `policies grid`, under the policy
`gepa 0.1.4`, so that `policies report` compares it world by world. Runs that are in the file are left
out. Start `policies serve` for the address; `run.sh --setup` installs the reference.

    .venv/bin/python reference_grid.py --server URL --results FILE [--seeds 0..5]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "drivers"))

import gepa  # noqa: E402
from reference import Silent, WorldAdapter  # noqa: E402
from world_client import Reflector  # noqa: E402

NAME = "gepa 0.1.4"
TRAIN = 150
FAMILIES = (
    "typical,niche,tradeoffs,sampled,saturated,nothing,nothing_noisy,forgetful,memorising,hard,"
    "jackpot,fresh,nearly_perfect,additive"
)


class Counted(WorldAdapter):
    """Counts policy calls."""

    calls = 0

    def evaluate(self, batch: list[Any], candidate: Any, capture_traces: bool = False) -> Any:
        self.calls += len(batch)
        return super().evaluate(batch, candidate, capture_traces)

    def batch_evaluate(self, items: list[Any], capture_traces: bool = True) -> Any:
        self.calls += sum(len(batch) for _, batch in items)
        return super().batch_evaluate(items, capture_traces)


class Best:
    """The best candidate by pareto score among those that the budget paid for."""

    def __init__(self, adapter: Counted, component: str, budget: int) -> None:
        self._adapter, self._component, self._budget = adapter, component, budget
        self.text, self.score, self.accepted = "", -1.0, -1

    def on_valset_evaluated(self, event: dict[str, Any]) -> None:
        if self._adapter.calls > self._budget:
            return
        self.accepted += 1
        if event["average_score"] > self.score:
            self.score = event["average_score"]
            self.text = event["candidate"][self._component]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--seeds", default="0..5")
    parser.add_argument("--pareto", type=int, default=100)
    parser.add_argument("--budget", type=int, default=1500)
    parser.add_argument("--families", default=FAMILIES)
    given = parser.parse_args()
    first, last = map(int, given.seeds.split(".."))
    done = {key(row) for row in rows(given.results) if row["policy"] == NAME}
    for seed in range(first, last):
        for family in given.families.split(","):
            cell = {
                "task": family,
                "seed": seed,
                "pareto": given.pareto,
                "budget": given.budget,
                "policy": NAME,
            }
            if key(cell) not in done:
                row = run(given.server, cell)
                with given.results.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def rows(path: Path) -> list[dict[str, Any]]:
    """The finished runs."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def key(row: dict[str, Any]) -> tuple[str, int, int, int]:
    return row["task"], row["seed"], row["pareto"], row["budget"]


def run(server: str, cell: dict[str, Any]) -> dict[str, Any]:
    """One run of the reference with its defaults."""
    world = f"{server}/w/{cell['task']}/{cell['seed']}"
    pareto, budget = cell["pareto"], cell["budget"]
    with urllib.request.urlopen(f"{world}/dataset?train={TRAIN}&pareto={pareto}") as answer:
        task = json.load(answer)
    base = f"{world}/reference-{pareto}-{budget}"
    adapter = Counted(base, task["component"], 1)
    best = Best(adapter, task["component"], budget)
    with contextlib.redirect_stdout(io.StringIO()):
        gepa.optimize(
            seed_candidate={task["component"]: task["seed_prompt"]},
            trainset=task["train"],
            valset=task["pareto"],
            adapter=adapter,
            reflection_lm=Reflector(base, 1),
            max_metric_calls=budget,
            seed=cell["seed"],
            logger=Silent(),
            callbacks=[best],
        )
    truth = score(world, best.text)
    return cell | {
        "seed_truth": score(world, task["seed_prompt"]),
        "truth": truth,
        "reported": best.score,
        "rollouts": min(adapter.calls, budget),
        "reflections": 0,
        "accepted": best.accepted,
        "kept_seed": best.text == task["seed_prompt"],
    }


def score(world: str, prompt: str) -> float:
    """The true score of a prompt."""
    body = json.dumps({"prompt": prompt}).encode()
    request = urllib.request.Request(f"{world}/score", body)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["test"]


if __name__ == "__main__":
    main()
