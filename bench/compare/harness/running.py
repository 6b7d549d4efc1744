"""Carrying an experiment out: several runs at once, every one recorded, none twice."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness import ours
from harness.observed import Candidate, end_all, observe
from harness.plan import Experiment, Run
from harness.processes import machine_seconds
from harness.record import measures
from harness.server import WorldServer
from harness.systems import Programs, command

Record = dict[str, Any]


class Runner:
    """Runs what has no record yet, and appends its record."""

    def __init__(self, server: WorldServer, programs: Programs, records: Path, work: Path) -> None:
        self._server, self._programs = server, programs
        self._records, self._work = records, work
        self._lock = threading.Lock()
        self._is_stopped = False

    def carry_out(self, experiment: Experiment) -> None:
        """Every run of the experiment that has no record."""
        known = {record["key"] for record in read(self._records) if "key" in record}
        waiting = [run for run in experiment.runs if run.key() not in known]
        print(
            f"{experiment.title}: {len(waiting)} of {len(experiment.runs)} runs to do", flush=True
        )
        if not waiting:
            return
        self._server.set_latency(experiment.latency)
        began, machine, served = time.monotonic(), machine_seconds(), self._server.cpu_seconds()
        done = 0
        with ThreadPoolExecutor(experiment.at_once) as pool:
            started = [pool.submit(self._safely, run, experiment) for run in waiting]
            try:
                for finished in as_completed(started):
                    done += 1
                    _say(finished.result(), done, len(waiting), time.monotonic() - began)
            except BaseException:
                self._is_stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                end_all()
                raise
        busy, everything = (
            now - then for now, then in zip(machine_seconds(), machine, strict=True)
        )
        conditions = {
            "conditions": experiment.name,
            "runs": len(waiting),
            "at_once": experiment.at_once,
            "seconds": time.monotonic() - began,
            "machine_busy": busy / everything if everything else None,
            "server_cpu_seconds": self._server.cpu_seconds() - served,
            "latency": vars(experiment.latency),
        }
        self._append(conditions)

    def _safely(self, run: Run, experiment: Experiment) -> Record:
        """A run that breaks is a record as well: leaving it out would flatter its system."""
        record: Record = {
            "key": run.key(),
            "experiment": run.experiment,
            "system": run.system.name,
            "label": run.system.label,
            "kind": run.system.kind,
            "family": run.world.family,
            "seed": run.world.seed,
            "pareto": run.world.pareto,
            "slots": run.slots,
            "budget": run.budget,
            "seconds": run.seconds,
        }
        try:
            record |= self._run(run, experiment.limit_seconds)
        except Exception as error:  # one run that fails ends no other
            record |= {"outcome": "failed", "error": f"{type(error).__name__}: {error}"}
        if record["outcome"] != "no program":
            self._append(record)
        return record

    def _run(self, run: Run, limit: float) -> Record:
        server, world, label = self._server, run.world, run.key()
        directory = self._work / label
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        task = server.dataset(world)
        base = server.base(world, label)
        words = self._command(run, directory, task, base)
        if words is None:
            return {"outcome": "no program", "error": "its program is missing"}
        seen = observe(words, directory, server, world, label, limit)
        finished = seen.exit_code == 0
        candidates = self._candidates(run, directory, task, seen.lines)
        measured = measures(
            candidates,
            seen,
            server.ledger(world, label),
            server.timeline(world, label),
            run.slots,
            lru_cache(lambda text: server.score(world, text)),
            task["seed_prompt"],
        )
        if finished:
            shutil.rmtree(directory)
            return {"outcome": "finished", "error": None, **measured}
        outcome = "too slow" if seen.exit_code is None else "failed"
        return {"outcome": outcome, "error": seen.error, **measured}

    def _command(
        self, run: Run, directory: Path, task: dict[str, Any], base: str
    ) -> list[str] | None:
        seed = run.world.seed
        if run.system.kind == "ours":
            options = dict(run.system.options)
            if run.seconds is not None:
                options["budget.max_seconds"] = run.seconds
            ours.prepare(directory, task, base, run.budget, run.slots, seed, options)
            return ours.command(self._programs.ours)
        file = directory / "task.json"
        file.write_text(json.dumps(task))
        arguments = {
            "base": base,
            "dataset": file,
            "budget": run.budget,
            "slots": run.slots,
            "seed": seed,
        }
        if run.seconds is not None:
            arguments["seconds"] = run.seconds
        return command(run.system, self._programs, arguments)

    def _candidates(
        self, run: Run, directory: Path, task: dict[str, Any], lines: list[dict[str, Any]]
    ) -> list[Candidate]:
        if run.system.kind == "ours":
            return ours.candidates(self._programs.ours, directory, task["component"])
        told = [line for line in lines if line["event"] == "candidate"]
        return [Candidate(line["at_ms"], line["score"], line["text"]) for line in told]

    def _append(self, record: Record) -> None:
        """Stores a result; a run that was cut short when this process was stopped is none."""
        if self._is_stopped:
            return
        with self._lock, self._records.open("a") as file:
            file.write(json.dumps(record) + "\n")


def read(records: Path) -> list[Record]:
    """All records so far; a line that a killed process left unfinished is none."""
    found = []
    for line in records.read_text().splitlines() if records.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def _say(record: Record, done: int, total: int, seconds: float) -> None:
    if record["outcome"] == "no program":
        print(f"SKIPPED {record['label']}: {record['error']}", flush=True)
        return
    place = f"{record['family']} {record['seed']} {record['slots']} slots"
    text = f"[{done}/{total} {seconds:5.0f} s] {record['label']:24} {place:34} {record['outcome']}"
    if record["outcome"] == "finished":
        text += (
            f" test {record['seed_test']:.3f} -> {record['final_test']:.3f},"
            f" {record['policy_calls']} calls, {record['accepted']} accepted,"
            f" {record['wall_seconds']:.1f} s"
        )
    else:
        print(record["error"], file=sys.stderr, flush=True)
    print(text, flush=True)
