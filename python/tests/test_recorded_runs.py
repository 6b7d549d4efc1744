"""Recorded runs of the reference implementation pass through `optimize`, step by step."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from recorded_world import Adapter, Loader, World

import gepa_engine

FOLDER = Path(os.environ.get("GEPA_RECORDED_RUNS", Path(__file__).resolve().parents[3] / "shared" / "conformance"))
FILES = sorted(FOLDER.glob("v_*.jsonl"))
if "GEPA_ALL_RECORDED_RUNS" not in os.environ:
    # Every fifth takes half a minute; all take two.
    FILES = FILES[::5]
if not FILES:
    pytest.skip(f"SKIPPED: no recorded runs in {FOLDER}", allow_module_level=True)


class Sampling:
    """The shape of a sampling strategy, by the name of its class."""


def sampling_of(recorded: list[Any]) -> Any:
    kind, *numbers = recorded
    if kind == "single":
        return None
    names = {"same_parent": "SameParentSampling", "independent": "IndependentSampling", "pxn": "PxNSampling"}
    strategy = type(names[kind], (Sampling,), {})()
    if kind == "pxn":
        strategy.p, strategy.n = numbers
    else:
        strategy.n = numbers[0]
    return strategy


def selection_of(recorded: list[Any]) -> Any:
    names = {"all": "AllImprovements", "best": "BestImprovement", "top_k": "TopKImprovements"}
    strategy = type(names[recorded[0]], (), {})()
    if recorded[0] == "top_k":
        strategy.k = recorded[1]
    return strategy


def stop_of(recorded: list[Any]) -> Any:
    kind, limit = recorded
    if kind == "all_of":
        return gepa_engine.CompositeStopper(*map(stop_of, limit), mode="all")
    if kind == "iterations":
        return lambda state: state.i + 1 >= limit
    made = {
        "metric_calls": gepa_engine.MaxMetricCallsStopper,
        "score_threshold": gepa_engine.ScoreThresholdStopper,
        "tracked_candidates": gepa_engine.MaxTrackedCandidatesStopper,
        "no_improvement": gepa_engine.NoImprovementStopper,
    }
    return made[kind](limit)


class Stops:
    """Conditions in order; remembers which one ended the run."""

    def __init__(self, recorded: list[Any]) -> None:
        self.recorded = recorded
        self.stoppers = [stop_of(one) for one in recorded]
        self.reached: Any = None

    def __call__(self, state: Any) -> bool:
        for recorded, stopper in zip(self.recorded, self.stoppers, strict=True):
            if stopper(state):
                self.reached = recorded
                return True
        return False


class Silent:
    def log(self, message: str) -> None:
        pass


class Recorder:
    """Writes one record per iteration, in the form of the recording."""

    def __init__(self, frontier: str, adapter: Adapter, denominator: int) -> None:
        self.frontier, self.adapter, self.denominator = frontier, adapter, denominator
        self.records: list[dict[str, Any]] = []
        self.candidates = 1

    def on_evaluation_start(self, event: dict[str, Any]) -> None:
        self.adapter.minibatch = event["capture_traces"]

    def on_evaluation_end(self, event: dict[str, Any]) -> None:
        self.adapter.minibatch = False

    def on_iteration_end(self, event: dict[str, Any]) -> None:
        state = event["state"]
        trace = state.full_program_trace[-1]
        record = {"i": event["iteration"], "calls": state.total_num_evals, "N": len(state.program_candidates)}
        record["front"] = digest(state)
        record["parents"] = [task["parent_idx"] for task in trace.get("tasks", [])]
        record["minibatches"] = [task["subsample_ids"] for task in trace.get("tasks", [])]
        record["after"] = [
            self.numerators(task["new_subsample_scores"]) if "new_subsample_scores" in task else None
            for task in trace.get("tasks", [])
        ]
        record["new"] = trace.get("new_program_indices", [])
        record["merge"] = list(trace["merged_entities"][:2]) if trace.get("merged") else None
        self.records.append(record)

    def numerators(self, scores: list[float]) -> list[int]:
        return [round(score * self.denominator) for score in scores]


def recorded_form(line: dict[str, Any]) -> dict[str, Any]:
    tasks = line.get("tasks", [])
    merge = line.get("merge")
    accepted = [(task["new"]) for task in tasks if task["r"] == "accept"]
    if merge and merge["r"] == "accept":
        accepted.append(merge["new"])
    return {
        "i": line["i"],
        "calls": line["calls"],
        "N": line["N"],
        "front": line["front"],
        "parents": [task["p"] for task in tasks],
        "minibatches": [task["mb"] for task in tasks],
        "after": [task.get("a") for task in tasks],
        "new": sorted(accepted),
        "merge": merge["pair"] if merge and merge["r"] != "none" else None,
    }


def digest(state: Any) -> str:
    text = ""
    for key, front in state.get_pareto_front_mapping().items():
        if state.frontier_type == "cartesian":
            name = f"c{key[1]}/{key[2]}"
        elif state.frontier_type == "hybrid":
            name = f"v{key[1]}" if key[0] == "val_id" else f"o{key[1]}"
        else:
            name = f"v{key}" if state.frontier_type == "instance" else f"o{key}"
        text += f"{name}:{','.join(map(str, sorted(front)))};"
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & ((1 << 64) - 1)
    return f"{value:016x}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_run_is_decided_alike(path: Path) -> None:
    header, *lines, footer = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    config = header["config"]
    world = World(header["world"], header["components"])
    adapter = Adapter(world)
    stops = Stops(config["stops"])
    recorder = Recorder(config["frontier"], adapter, world.denominator)
    train = Loader(header["train_ids"], 0)
    val = train if config["shared_valset"] else Loader(header["val_ids"], header["world"]["val_space"])
    result = gepa_engine.optimize(
        dict(zip(header["components"], header["seed_candidate"], strict=True)),
        train,
        None if config["shared_valset"] else val,
        adapter=adapter,
        candidate_selection_strategy=config["selector"],
        frontier_type=config["frontier"],
        acceptance_criterion=config["acceptance"],
        module_selector=config["module_selector"],
        reflection_minibatch_size=config["minibatch"],
        sampling_strategy=sampling_of(config["sampling"]),
        selection_strategy=selection_of(config["selection"]),
        cache_evaluation=config["cache"],
        skip_perfect_score=config["skip_perfect_score"],
        perfect_score=config["perfect_score"],
        use_merge=config["use_merge"],
        max_merge_invocations=config["max_merge_invocations"],
        merge_val_overlap_floor=config["merge_val_overlap_floor"],
        seed=config["seed"],
        stop_callbacks=stops,
        callbacks=[recorder],
        logger=Silent(),
    )
    for ours, recorded in zip(recorder.records, lines, strict=False):
        assert ours == recorded_form(recorded), f"iteration {recorded['i']}"
    assert len(recorder.records) == footer["iterations"]
    assert stops.reached == footer["stop"]
    assert [list(one.values()) for one in result.candidates] == footer["candidates"]
    means = [struct.pack(">d", mean).hex() for mean in result.val_aggregate_scores]
    assert means == footer["means"]
    parents = [[one for one in row if one is not None] for row in result.parents]
    assert parents == footer["parents"]
    assert result.discovery_eval_counts == footer["discovery"]
    assert (result.total_metric_calls, result.num_full_val_evals) == (
        footer["calls"],
        footer["full_val_evals"],
    )
    assert result.best_idx == footer["best_idx"]
