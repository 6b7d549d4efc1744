"""The four genuine configs on the four real apps, submitted with the real SDK."""

from __future__ import annotations

import configs
from checks import Context, check, equal, expect
from evidence import Job, run_with_sdk
from submissions import body_of, finished

OVERRIDDEN_MODEL = "openai/gpt-oss-20b"
# The file says llama-3.1-8b-instant; checks about overrides use this job.
OVERRIDES = {configs.POLICY_MODEL: OVERRIDDEN_MODEL, configs.POLICY_PROVIDER: "groq"}
TASKS = ("heartdisease", "iris", "banking77", "banking77_pipeline")
CALLS_PER_ROLLOUT = {"banking77_pipeline": 2}


def ran(context: Context, task: str) -> Job:
    expect(task in context.jobs, f"the {task} job did not finish")
    job: Job = context.jobs[task]
    return job


def run_task(context: Context, task: str) -> str:
    overrides = OVERRIDES if task == "heartdisease" else None
    job = run_with_sdk(context.world, task, task, overrides)
    expect(
        job.detail["status"] == "succeeded",
        f"{job.job_id} {job.detail['status']}: {job.detail.get('error')}",
    )
    context.jobs[task] = job
    summary = job.only("prompt.learning.validation.summary")
    baseline = summary["baseline"]["accuracy"]
    best = summary["results"][0]["accuracy"]
    expect(best >= baseline, f"best {best} below baseline {baseline}")
    # With the app's own text around it, the pipeline's seed may leave nothing to gain in the search.
    has_room = job.stats["baseline_score"] < 1.0
    expect(best > baseline or not has_room, f"nothing was gained: baseline {baseline}, best {best}")
    return (
        f"baseline {baseline:.4f}, best {best:.4f} on {len(summary['baseline']['seeds'])} "
        f"validation seeds, {job.stats['total_rollouts']} of {job.budget} rollouts"
    )


for _task in TASKS:
    check(f"{_task}: baseline and best on the validation seeds of the real app")(
        lambda context, task=_task: run_task(context, task)
    )


@check("ledger: total_tokens equals the model server's own count, exactly, for every task")
def ledger_equals_total_tokens(context: Context) -> str:
    return "; ".join(
        equal(
            f"{task} total_tokens",
            ran(context, task).stats["total_tokens"],
            "ledger",
            ran(context, task).ledger_change("total_tokens"),
        )
        for task in TASKS
    )


@check("ledger: policy calls, app rollouts and total_rollouts are the same number")
def calls_equal_rollouts(context: Context) -> str:
    shown = []
    for task in TASKS:
        job = ran(context, task)
        total = job.stats["total_rollouts"]
        policy_calls = len(job.policy_calls())
        per_rollout = CALLS_PER_ROLLOUT.get(task, 1)
        text = f"{task} {policy_calls} calls, {len(job.app_rollouts)} at the app, {total} counted"
        expect(policy_calls == total * per_rollout and len(job.app_rollouts) == total, text)
        shown.append(text)
    return "; ".join(shown)


@check("budget: never exceeded with 5 rollouts at once")
def budget_at_five(context: Context) -> str:
    job = ran(context, "heartdisease")
    text = f"{len(job.app_rollouts)} of {job.budget} rollouts, at most {job.max_at_app} at once"
    expect(len(job.app_rollouts) <= job.budget and job.max_at_app <= 5, text)
    return text


@check("budget: never exceeded with 50 rollouts at once")
def budget_at_fifty(context: Context) -> str:
    context.world.model_server.behave(latency_ms=150)
    try:
        overrides = {configs.CONCURRENCY: 50, configs.BUDGET: 220}
        job = run_with_sdk(context.world, "heartdisease", "heartdisease_50", overrides)
    finally:
        context.world.model_server.behave()
    text = (
        f"{job.detail['status']}, {len(job.app_rollouts)} of 220 rollouts, "
        f"at most {job.max_at_app} at once"
    )
    expect(job.detail["status"] == "succeeded" and len(job.app_rollouts) <= 220, text)
    expect(5 < job.max_at_app <= 50, text)
    tokens = equal(
        "total_tokens", job.stats["total_tokens"], "ledger", job.ledger_change("total_tokens")
    )
    return f"{text}; {tokens}"


@check("budget: 61 rollouts pay for proposals, and for fewer validated candidates")
def a_small_budget_tries_proposals(context: Context) -> str:
    body = body_of(context)
    gepa = body["prompt_learning"]["gepa"]
    gepa["evaluation"] = {
        "train_seeds": list(range(16)),
        "val_seeds": list(range(30, 42)),
        "validation_top_k": 2,
    }
    gepa["rollout"] = {"budget": 61, "max_concurrent": 5}
    detail = finished(context, body)
    stats = detail["metadata"]["stats"]
    text = (
        f"{detail['status']}, {stats['trials_tried'] - 1} proposed, "
        f"{stats['total_rollouts']} of 61 rollouts, {stats['validation_rollouts_executed']} of them validation"
    )
    expect(detail["status"] == "succeeded" and stats["trials_tried"] > 1, text)
    expect(stats["total_rollouts"] <= 61, text)
    return text
