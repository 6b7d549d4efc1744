"""Our engine, as its users run it: the `gepa` binary, a config file, a database, an export."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.observed import Candidate

STORE = "sqlite://run.db"
SET_NAMES = ("train", "pareto")


def prepare(
    directory: Path,
    task: dict[str, Any],
    base: str,
    budget: int,
    slots: int,
    seed: int,
    options: dict[str, Any],
) -> None:
    """Writes the examples and the config of a run into its directory."""
    rows = [item for name in SET_NAMES for item in task[name]]
    with (directory / "examples.jsonl").open("w") as file:
        for row in rows:
            file.write(json.dumps({key: row[key] for key in ("id", "input", "answer")}) + "\n")
    values: dict[str, Any] = {
        "run.seed": seed,
        "run.max_concurrent": slots,
        "dataset.path": "examples.jsonl",
        "dataset.id_column": "id",
        "dataset.answer": "answer",
        "scorer.kind": "exact",
        "policy.provider": "world",
        "policy.model": "policy",
        "policy.temperature": 0.0,
        "reflection_model.provider": "world",
        "reflection_model.model": "reflector",
        "providers.world.base_url": f"{base}/v1",
        # The default of 64 would keep reflections waiting behind 64 rollouts.
        "providers.world.max_concurrent": slots + 64,
        "budget.max_rollouts": budget,
        **options,
    }
    for name in SET_NAMES:
        values[f"dataset.split.{name}.ids"] = [item["id"] for item in task[name]]
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    for role, extra in (
        ("system", f'component = "{task["component"]}"'),
        ("user", None),
    ):
        text = task["seed_prompt"] if role == "system" else "{input}"
        lines += ["", "[[prompt.messages]]", f'role = "{role}"']
        lines += [extra] if extra else []
        lines.append(f"pattern = {json.dumps(text)}")
    (directory / "config.toml").write_text("\n".join(lines) + "\n")


def command(program: Path) -> list[str]:
    """Started in the run's directory."""
    return [str(program), "run", "config.toml", "--store", STORE]


def candidates(program: Path, directory: Path, component: str) -> list[Candidate]:
    """Every candidate in the archive with the moment it was taken up, in that order."""
    texts = {
        row["candidate_id"]: row["components"][component]
        for row in _export(program, directory, "candidates")
    }
    accepted = [
        event
        for event in _export(program, directory, "events")
        if event["kind"] == "candidate_accepted"
    ]
    return [
        Candidate(
            at_ms=datetime.fromisoformat(event["at"]).timestamp() * 1e3,
            score=event["body"]["mean_score"],
            text=texts[event["body"]["candidate"]],
        )
        for event in accepted
    ]


def _export(program: Path, directory: Path, what: str) -> list[dict[str, Any]]:
    arguments = ["export", "latest", "--store", STORE, "--what", what, "--format", "jsonl"]
    done = subprocess.run(
        [program, *arguments], cwd=directory, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
