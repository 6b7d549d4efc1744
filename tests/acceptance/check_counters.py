"""Rows 9 to 12, 16 to 20 and 28 to 29 of the checklist: counters, events, phases."""

from __future__ import annotations

import time
from typing import Any

from checks import Context, check, equal, expect
from check_jobs import TASKS, ran
from evidence import Job

Json = Any
TOKENS = [
    f"{purpose}_{kind}_tokens"
    for purpose in ("rollouts", "mutation")
    for kind in ("prompt", "completion", "unknown")
]
COUNTERS = [
    "trials_tried",
    "total_trials_evaluated",
    "total_tokens",
    "total_rollouts",
    "optimization_rollouts_executed",
    "validation_rollouts_executed",
    "optimization_trials_evaluated",
    "validation_trials_evaluated",
    *TOKENS,
]
IN_PROGRESS = [
    "rollouts_completed",
    "rollouts_total",
    "transformations_tried",
    "trials_tried",
    "rollout_tokens_used",
    "total_tokens",
    "best_score",
    "eta_seconds",
]
MONOTONE = [
    "rollouts_completed",
    "transformations_tried",
    "trials_tried",
    "rollout_tokens_used",
    "total_tokens",
    "best_score",
]


@check("row 9: the payload's counters are integers, trials_tried above zero")
def payload_counters(context: Context) -> str:
    payload = ran(context, "heartdisease").payload
    counters = {name: payload[name] for name in COUNTERS}
    expect(all(type(value) is int for value in counters.values()), counters)
    expect(counters["trials_tried"] > 0 and counters["total_rollouts"] > 0, counters)
    return str(counters)


@check("row 10: metadata.stats and the payload say the same")
def stats_equal_payload(context: Context) -> str:
    for task in TASKS:
        job = ran(context, task)
        for name in COUNTERS:
            equal(f"{task} stats.{name}", job.stats[name], f"payload.{name}", job.payload[name])
    return f"{len(COUNTERS)} counters of {len(TASKS)} jobs"


@check("row 11: total_tokens is the sum of its parts and of what the model server counted")
def total_tokens(context: Context) -> str:
    job = ran(context, "heartdisease")
    parts = sum(job.stats[name] for name in TOKENS)
    expect(parts == job.stats["total_tokens"], f"parts {parts} != {job.stats['total_tokens']}")
    prompt = job.stats["rollouts_prompt_tokens"] + job.stats["mutation_prompt_tokens"]
    expect(prompt == job.ledger_change("prompt_tokens"), f"prompt tokens {prompt}")
    return equal(
        "total_tokens", job.stats["total_tokens"], "ledger", job.ledger_change("total_tokens")
    )


@check("row 12: progress events carry every figure, none goes back, completed never above total")
def progress_events(context: Context) -> str:
    count = 0
    for task in TASKS:
        job = ran(context, task)
        progress = job.of_type("prompt.learning.progress")
        expect(progress, f"{task}: no progress events")
        for data in progress:
            missing = [name for name in IN_PROGRESS if data.get(name) is None]
            # Nothing is scored yet in the very first ones.
            expect(missing in ([], ["best_score"], ["best_score", "eta_seconds"]), (task, missing))
            expect(0 <= data["rollouts_completed"] <= data["rollouts_total"], data)
        for name in MONOTONE:
            values = [data[name] for data in progress if data.get(name) is not None]
            expect(values == sorted(values), f"{task} {name}: {values}")
        last = progress[-1]
        equal("last completed", last["rollouts_completed"], "total", job.stats["total_rollouts"])
        equal("last total_tokens", last["total_tokens"], "stats", job.stats["total_tokens"])
        expect(last["best_score"] is not None, last)
        count += len(progress)
    return f"{count} events of {len(TASKS)} jobs"


@check("row 16: rollouts executed never exceed the budget")
def budget_kept(context: Context) -> str:
    shown = []
    for task in TASKS:
        job = ran(context, task)
        text = f"{task} {job.stats['total_rollouts']} of {job.budget}"
        expect(job.stats["total_rollouts"] <= job.budget, text)
        expect(len(job.app_rollouts) <= job.budget, f"{text}, {len(job.app_rollouts)} at the app")
        shown.append(text)
    return "; ".join(shown)


@check("row 17: every trial and rollout has phase, iteration, index, seeds and tokens")
def every_trial_complete(context: Context) -> str:
    job = ran(context, "heartdisease")
    backend = context.world.backend
    trials, rollouts = backend.rows(job.job_id, "trials"), backend.rows(job.job_id, "rollouts")
    for trial in trials:
        expect(trial["phase"] in ("optimization", "validation"), trial)
        for name in ("iteration", "trial_index", "seeds", "tokens", "stage"):
            expect(trial[name] is not None, f"{name}: {trial}")
    for rollout in rollouts:
        expect(rollout["phase"] in ("optimization", "validation"), rollout)
        for name in ("trial_id", "iteration", "trial_index", "seed", "tokens", "outcome"):
            expect(rollout[name] is not None, f"{name}: {rollout}")
        expect((rollout["outcome"] == "scored") == (rollout["score"] is not None), rollout)
    stages = sorted({trial["stage"] for trial in trials})
    expect({"validation_baseline", "validation_top_k"} <= set(stages), stages)
    equal("rollout rows", len(rollouts), "total_rollouts", job.stats["total_rollouts"])
    tokens = sum(rollout["tokens"] for rollout in rollouts)
    counted = sum(job.stats[name] for name in TOKENS if name.startswith("rollouts_"))
    equal("tokens of rollout rows", tokens, "rollout tokens", counted)
    return f"{len(trials)} trials, {len(rollouts)} rollouts, stages {', '.join(stages)}"


@check("row 18: optimization and validation rollouts add up to total_rollouts")
def rollouts_add_up(context: Context) -> str:
    return "; ".join(split_of(ran(context, task), "rollouts_executed", "total_rollouts") for task in TASKS)


@check("row 19: optimization and validation trials are separate, in payload and stats")
def trials_add_up(context: Context) -> str:
    job = ran(context, "heartdisease")
    trials = context.world.backend.rows(job.job_id, "trials")
    for phase in ("optimization", "validation"):
        rows = sum(trial["phase"] == phase for trial in trials)
        equal(f"{phase} trial rows", rows, "stats", job.stats[f"{phase}_trials_evaluated"])
    return split_of(job, "trials_evaluated", "total_trials_evaluated")


def split_of(job: Job, suffix: str, total: str) -> str:
    optimization = job.stats[f"optimization_{suffix}"]
    validation = job.stats[f"validation_{suffix}"]
    text = f"{job.task} {optimization} + {validation} == {job.stats[total]}"
    expect(optimization > 0 and validation > 0, text)
    expect(optimization + validation == job.stats[total], text)
    return text


@check("row 20: eval_n and eval_seeds_n are the validation seeds scored per candidate")
def eval_n(context: Context) -> str:
    shown = []
    for task in TASKS:
        job = ran(context, task)
        summary = job.only("prompt.learning.validation.summary")
        seeds = len(summary["baseline"]["seeds"])
        rollouts = context.world.backend.rows(job.job_id, "rollouts")
        scored = len(
            {row["seed"] for row in rollouts if row["stage"] == "validation_baseline" and row["score"] is not None}
        )
        equal("eval_n", job.stats["eval_n"], "eval_seeds_n", job.stats["eval_seeds_n"])
        equal("seeds of the summary", seeds, "seeds scored", scored)
        shown.append(equal(f"{task} eval_n", job.stats["eval_n"], "seeds", seeds))
    return "; ".join(shown)


@check("row 28: events are paged by since_seq and limit, dense and in order")
def events_paged(context: Context) -> str:
    job = ran(context, "heartdisease")
    backend = context.world.backend
    started = time.monotonic()
    events = backend.events(job.job_id, limit=10_000)
    milliseconds = (time.monotonic() - started) * 1000
    sequence = [event["seq"] for event in events]
    expect(sequence == list(range(1, len(events) + 1)), sequence[:20])
    page = backend.job(job.job_id, "/events", since_seq=3, limit=5)
    expect([event["seq"] for event in page["events"]] == [4, 5, 6, 7, 8], page["events"])
    expect(page["has_more"] is True and page["next_seq"] == 8, page.keys())
    for event in events:
        expect(event["type"] and event["message"].strip() and event["level"], event)
        expect(isinstance(event["data"], dict) and event["job_id"] == job.job_id, event)
        expect(event["created_at"] and event["timestamp"], event)
    ending = [event["type"] for event in events[:1000]]
    expect("prompt.learning.gepa.complete" in ending, "the end is not among the first 1000 events")
    return f"{len(events)} events in {milliseconds:.0f} ms; 10 000 are measured in bench/"


@check("row 29: nothing that clients read is null after a run that succeeded")
def nothing_null(context: Context) -> str:
    allowed = {"error", "waiting_for", "interruption"}
    empty = []
    for task in TASKS:
        job = ran(context, task)
        empty += [f"{task} {path}" for path in nulls(job.detail) if path.rsplit(".", 1)[-1] not in allowed]
    expect(not empty, f"null: {empty[:20]}")
    return f"{len(TASKS)} job objects with their best snapshots"


def nulls(value: Json, path: str = "") -> list[str]:
    """The paths of null values; those inside the submitted body are its sender's."""
    if value is None:
        return [path]
    found: list[str] = []
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in ("config_body", "trace"):
                found += nulls(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            found += nulls(part, f"{path}.{index}")
    return found
