"""Rows 1 to 8 and 22 to 24 of the checklist: artifacts, snapshots, variants."""

from __future__ import annotations

import re
from typing import Any

import configs
from checks import Context, check, equal, expect
from check_jobs import TASKS, ran
from evidence import Job

Json = Any
PART_OF_SNAPSHOT = ("score", "messages", "payload", "tag", "job_id", "token_count")


def snapshot_of(context: Context, job: Job, snapshot_id: str) -> dict[str, Json]:
    return dict(context.world.backend.job(job.job_id, f"/snapshots/{snapshot_id}"))


def artifacts_of(context: Context, job: Job) -> list[dict[str, Json]]:
    listed = context.world.backend.job(job.job_id, "/artifacts")
    return list(listed if isinstance(listed, list) else listed["artifacts"])


@check("row 1: the job names its best snapshot, and it is the one the snapshot route serves")
def best_snapshot(context: Context) -> str:
    for task in TASKS:
        job = ran(context, task)
        best_id, best = job.detail["best_snapshot_id"], job.detail["best_snapshot"]
        expect(best_id and best, f"{task}: {best_id}, {best}")
        served = snapshot_of(context, job, best_id)
        for name in PART_OF_SNAPSHOT:
            expect(best[name] == served[name], f"{task} {name}: {best[name]} != {served[name]}")
    return f"{len(TASKS)} jobs, last best_snapshot_id {best_id}"


@check("row 2: the snapshot survives a restart with its job_id, score, tag and payload")
def snapshot_survives(context: Context) -> str:
    job = ran(context, "heartdisease")
    best_id = job.detail["best_snapshot_id"]
    before = snapshot_of(context, job, best_id)
    expect(isinstance(before["score"], float), f"score {before['score']!r}")
    expect(before["payload"], "an empty payload")
    backend = context.world.backend
    expect(backend.process is not None, "the server does not run")
    code = backend.process.terminate()
    backend.start()
    after = snapshot_of(context, job, best_id)
    expect(before == after, "the snapshot differs after the restart")
    job_id = equal("job_id", after["job_id"], "job", job.job_id)
    tag = equal("tag", after["tag"], "expected", "best_prompt")
    return f"{job_id}; {tag}; score {after['score']}; server ended with {code} and came back"


@check("row 3: every artifact resolves under its job and is 404 under another")
def artifacts_resolve(context: Context) -> str:
    job, other = ran(context, "heartdisease"), ran(context, "iris")
    listed = artifacts_of(context, job)
    expect(listed, "no artifacts")
    for artifact in listed:
        expect(artifact["label"] and artifact["job_id"] == job.job_id, artifact)
        snapshot_of(context, job, artifact["snapshot_id"])
        path = f"/api/prompt-learning/online/jobs/{other.job_id}/snapshots/{artifact['snapshot_id']}"
        status = context.world.backend.get(path).status_code
        expect(status == 404, f"{artifact['snapshot_id']} answers {status} under another job")
    return f"{len(listed)} artifacts: 200 under {job.job_id}, 404 under {other.job_id}"


@check("row 4: the snapshot's messages are what the policy model was sent")
def messages_as_sent(context: Context) -> str:
    job = ran(context, "heartdisease")
    best = job.detail["best_snapshot"]
    messages = best["messages"]
    expect(messages and messages == best["payload"]["best_prompt_messages"], messages)
    expect([sorted(message) for message in messages] == [["content", "role"]] * 2, messages)
    pattern = re.compile(
        "".join(
            "(?s:.*)" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{features\})", messages[1]["content"])
        )
    )
    sent = [
        call
        for call in job.policy_calls()
        if call["messages"][0]["content"] == messages[0]["content"]
        and pattern.fullmatch(call["messages"][1]["content"])
    ]
    seeds = len(job.only("prompt.learning.validation.summary")["results"][0]["seeds"])
    text = f"{len(sent)} calls with exactly these messages, {seeds} validation seeds"
    expect(len(sent) >= seeds, text)
    return text


@check("row 5: best_prompt holds the full template as sections and prompt_sections")
def best_prompt_sections(context: Context) -> str:
    shown = []
    for task in TASKS:
        prompt = ran(context, task).payload["best_prompt"]
        contents = [[part["content"] for part in prompt[key]] for key in ("sections", "prompt_sections")]
        expect(contents[0] and contents[0] == contents[1], f"{task}: {prompt}")
        expect(all(part["role"] and part["name"] for part in prompt["sections"]), prompt)
        shown.append(f"{task} {len(contents[0])} sections")
    return "; ".join(shown)


@check("row 6: the snapshot row carries score and token_count")
def score_and_token_count(context: Context) -> str:
    best = ran(context, "heartdisease").detail["best_snapshot"]
    text = f"score {best['score']}, token_count {best['token_count']}"
    expect(isinstance(best["score"], float) and best["token_count"] > 0, text)
    return text


@check("row 7: every archive item is exposed, in the payload and as an artifact")
def archive_exposed(context: Context) -> str:
    job = ran(context, "heartdisease")
    archive = job.payload["archive"]
    expect(archive, "an empty archive")
    for item in archive:
        expect(item["object"] and item["instance_scores"] and item["messages"], item)
        expect(isinstance(item["score"], float), item["score"])
    texts = {str(item["messages"]) for item in archive}
    served = {
        str(snapshot_of(context, job, artifact["snapshot_id"])["messages"])
        for artifact in artifacts_of(context, job)
    }
    expect(texts <= served, f"{len(texts - served)} archive items without an artifact")
    return f"{len(archive)} items, {len(served)} different prompts among the artifacts"


@check("row 8: metadata.prompt_best_snapshot_id equals best_snapshot_id")
def metadata_names_best(context: Context) -> str:
    detail = ran(context, "heartdisease").detail
    metadata = detail["metadata"]
    expect(metadata["prompt_best_snapshot"] == detail["best_snapshot"], "the snapshots differ")
    expect(isinstance(metadata["prompt_best_train_score"], float), metadata.keys())
    return equal(
        "metadata", metadata["prompt_best_snapshot_id"], "job", detail["best_snapshot_id"]
    )


@check("row 23: every attempted candidate's text and score can be had, sorted by score")
def attempted_candidates(context: Context) -> str:
    job = ran(context, "heartdisease")
    attempted = job.only("prompt.learning.final.results")["attempted_candidates"]
    for candidate in attempted:
        expect(candidate["object"]["data"]["sections"], candidate)
    rows = context.world.backend.job(job.job_id, "/candidates", sort="score")["candidates"]
    texts = {str(row["components"]) for row in rows}
    expect(len(texts) == len(rows), "two candidates with one text")
    scores = [candidate["accuracy"] for candidate in attempted if "accuracy" in candidate]
    expect(None not in scores, "an accuracy is null")
    tried = job.stats["trials_tried"]
    text = (
        f"{len(attempted)} attempted, {len(scores)} with a score; {len(rows)} candidate rows; "
        f"trials_tried {tried}"
    )
    expect(len(rows) == tried and len(attempted) >= tried - 1, text)
    sections = str([candidate["object"] for candidate in attempted])
    rejected = [row for row in rows if row["status"] == "rejected"]
    expect(rejected, "no rejected candidate to look for")
    for row in rejected:
        for component in row["components"].values():
            expect(repr(component)[1:-1] in sections, f"a rejected text is missing: {component}")
    return text


@check("row 24: the snapshot of every artifact returns messages")
def artifacts_have_messages(context: Context) -> str:
    counts = []
    for task in TASKS:
        job = ran(context, task)
        listed = artifacts_of(context, job)
        for artifact in listed:
            messages = snapshot_of(context, job, artifact["snapshot_id"])["messages"]
            expect(messages and all(part["content"] for part in messages), artifact)
        counts.append(f"{task} {len(listed)}")
    return "; ".join(counts)


@check("row 25: an overridden model is in every request, call, record and status; the file's in none")
def overridden_model(context: Context) -> str:
    job = ran(context, "heartdisease")
    wanted = "openai/gpt-oss-20b"
    in_file = configs.read(job.config)["prompt_learning"]["policy"]["model"]
    asked = {rollout.request["policy"]["config"]["model"] for rollout in job.app_rollouts}
    called = {call["model"] for call in job.policy_calls()}
    policy = job.detail["metadata"]["config_body"]["prompt_learning"]["policy"]
    shown = {
        "rollout requests": asked,
        "model calls": called,
        "config_body": {policy["model"]},
        "stats": {job.stats["policy_model"]},
    }
    expect(all(models == {wanted} for models in shown.values()), shown)
    expect(in_file not in job.models_called(), job.models_called())
    return f"{wanted} in {', '.join(shown)}; the file says {in_file}"


@check("row 26: the status policy string is provider/model of the override")
def status_policy(context: Context) -> str:
    detail = ran(context, "heartdisease").detail
    return equal("policy", detail["policy"], "override", "groq/openai/gpt-oss-20b")
