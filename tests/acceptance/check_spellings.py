"""Rows 21, 27 and 30 of the checklist: spellings of a config, overrides, jobs that cannot work."""

from __future__ import annotations

from typing import Any

import configs
from checks import Context, check, equal, expect
from submissions import body_of, finished, post, submitted

Json = Any


def nested(body: dict[str, Json]) -> None:
    """As the langprobe files spell it."""


def older_nested(body: dict[str, Json]) -> None:
    evaluation = body["prompt_learning"]["gepa"]["evaluation"]
    evaluation["seeds"] = evaluation.pop("train_seeds")
    evaluation["validation_seeds"] = evaluation.pop("val_seeds")


def flat(body: dict[str, Json]) -> None:
    gepa = body["prompt_learning"]["gepa"]
    evaluation, rollout = gepa.pop("evaluation"), gepa.pop("rollout")
    gepa["evaluation_seeds"] = evaluation["train_seeds"]
    gepa["validation_seeds"] = evaluation["val_seeds"]
    gepa["validation_top_k"] = evaluation["validation_top_k"]
    gepa["rollout_budget"] = rollout["budget"]
    gepa["max_concurrent_rollouts"] = rollout["max_concurrent"]
    gepa["minibatch_size"] = rollout["minibatch_size"]


def ranges(body: dict[str, Json]) -> None:
    evaluation = body["prompt_learning"]["gepa"]["evaluation"]
    evaluation["train_seeds"] = {"start": 0, "end": 12}
    evaluation["val_seeds"] = {"start": 30, "end": 44, "step": 2}


@check("row 21: eval_n is right under every spelling of the seeds, and after an override")
def eval_n_under_spellings(context: Context) -> str:
    expected = {}
    for spell in (nested, older_nested, flat, ranges):
        body = body_of(context)
        spell(body)
        expected[submitted(context, body)] = (spell.__name__, 7)
    overrides = {"prompt_learning.gepa.evaluation.val_seeds": list(range(50, 61))}
    expected[submitted(context, body_of(context), overrides)] = ("overridden", 11)
    shown = []
    for job_id, (name, seeds) in expected.items():
        detail = context.world.backend.wait_for(job_id, 120)
        expect(detail["status"] == "succeeded", f"{name}: {detail.get('error')}")
        stats = detail["metadata"]["stats"]
        equal("eval_n", stats["eval_n"], "eval_seeds_n", stats["eval_seeds_n"])
        expect(stats["total_rollouts"] <= 80, stats["total_rollouts"])
        shown.append(equal(f"{name} eval_n", stats["eval_n"], "seeds", seeds))
    return "; ".join(shown)


@check("row 27: an override of an unknown path is applied and reported, a known one always counts")
def overrides_count(context: Context) -> str:
    unknown = "prompt_learning.gepa.no_such_table.no_such_key"
    status, answer = post(context, body_of(context), {unknown: 1, configs.BUDGET: 70})
    if status >= 400:
        expect("no_such" in str(answer), answer)
        return f"refused with {status}: {str(answer)[:200]}"
    detail = context.world.backend.wait_for(answer["job_id"], 60)
    metadata = detail["metadata"]
    gepa = metadata["config_body"]["prompt_learning"]["gepa"]
    notes = [note for note in map(str, metadata["notes"]) if "no_such" in note]
    expect(gepa["no_such_table"]["no_such_key"] == 1 and notes, f"{gepa}, {metadata['notes']}")
    equal("budget in config_body", gepa["rollout"]["budget"], "override", 70)
    expect(metadata["stats"]["total_rollouts"] <= 70, metadata["stats"]["total_rollouts"])
    return f"created, with the note {notes[0]}"


@check("row 30: a job whose prompt is substituted nowhere fails and says so")
def no_substitution(context: Context) -> str:
    body = body_of(context)
    body["prompt_learning"]["initial_prompt"]["messages"] = [
        {"role": "user", "pattern": "Nothing the app says: {features} is like this.", "order": 0}
    ]
    detail = finished(context, body)
    says_so = "nothing of the candidate could be put into" in str(detail["error"])
    expect(detail["status"] == "failed" and says_so, detail["error"])
    equal("scored rollouts' best", detail["best_score"], "none", None)
    failed_event(context, detail)
    return f"failed: {detail['error']}"


@check("row 30: a job that executes no rollout fails and says so")
def zero_rollouts(context: Context) -> str:
    body = body_of(context)
    body["prompt_learning"]["task_app_api_key"] = "a-wrong-key"
    status, answer = post(context, body)
    if status >= 400:
        return f"refused with {status}: {str(answer)[:300]}"
    detail = context.world.backend.wait_for(answer["job_id"], 60)
    expect(detail["status"] == "failed" and detail["error"], f"{detail['status']}")
    expect("a-wrong-key" not in str(detail), "the key is shown")
    failed_event(context, detail)
    return f"failed: {detail['error']}"


def failed_event(context: Context, detail: dict[str, Json]) -> None:
    events = context.world.backend.events(detail["job_id"])
    failed = [event for event in events if event["type"] == "prompt.learning.failed"]
    expect(len(failed) == 1, f"{len(failed)} prompt.learning.failed events")
    data = failed[0]["data"]
    expect(data.get("error") or data.get("message"), data)
    kinds = [event["type"] for event in events]
    expect("prompt.learning.gepa.complete" not in kinds, "it also claims to be complete")
