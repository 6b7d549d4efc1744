"""What the real SDK and command line make of the answers."""

from __future__ import annotations

import re
from typing import Any

import clients
import configs
from checks import Context, check, equal, expect
from check_jobs import TASKS, ran

Json = Any


@check("sdk: get_results, get_best_prompt_text and get_scoring_summary are complete")
def sdk_results(context: Context) -> str:
    for task in TASKS:
        job = ran(context, task)
        results, summary = job.sdk["results"], job.sdk["summary"]
        empty = [name for name, value in results.items() if value in (None, [], {})]
        expect(not empty, f"{task}: empty {empty}")
        equal(f"{task} best_score", results["best_score"], "job", job.detail["best_score"])
        expect(job.sdk["best_text"] == results["top_prompts"][0]["full_text"], task)
        sections = results["best_prompt"]["sections"]
        for section in sections:
            expect(section["content"] in job.sdk["best_text"], section)
        expect(None not in summary.values(), f"{task}: {summary}")
        equal("candidates tried", summary["num_candidates_tried"], "attempted", len(results["attempted_candidates"]))
        expect(job.sdk["status"]["status"] == "succeeded", job.sdk["status"]["status"])
    return f"{len(TASKS)} jobs, last summary {summary}"


@check("cli: `train --poll` follows a job to its end and writes complete result files")
def cli_trains(context: Context) -> str:
    world = context.world
    folder = configs.deep_folder(world.folder, "cli_iris")
    config = configs.place("iris", world.proxies["iris"].url, folder)
    before = world.model_server.ledger()["total_tokens"]
    process = clients.start_cli(world, config)
    code = process.wait(150)
    output = process.log.read_text(encoding="utf-8", errors="replace")
    expect(code == 0, f"exit {code}; {process.tail()}")
    found = re.search(r"pl_[a-f0-9]+", output)
    expect(found, process.tail())
    job_id = found.group(0) if found else ""
    detail = world.backend.job(job_id)
    expect(detail["status"] == "succeeded", detail["status"])
    for text in ("FINAL SUMMARY", "Progress:", "Candidate 1"):
        expect(text in output, f"`{text}` is not printed; {process.tail()}")
    expect("N/A" not in output.split("FINAL SUMMARY", 1)[1], "N/A in the summary")
    expect("Unexpected error" not in output and "Could not" not in output, process.tail())
    written = sorted(path.name for path in (config.parent / "results").iterdir())
    results = [name for name in written if re.fullmatch(rf"gepa_results_{job_id}_\d+_\d+\.txt", name)]
    expect(len(results) == 1, written)
    text = (config.parent / "results" / results[0]).read_text(encoding="utf-8")
    for wanted in ("Baseline Score:", "Best Score:", "BEST PROMPT", f"Job ID: {job_id}"):
        expect(wanted in text, f"`{wanted}` is missing from {results[0]}")
    tokens = detail["metadata"]["stats"]["total_tokens"]
    change = world.model_server.ledger()["total_tokens"] - before
    return f"exit 0, {results[0]}; {equal('total_tokens', tokens, 'ledger', change)}"


@check("cli: `artifacts list` and `artifacts show` present the job's prompt")
def cli_artifacts(context: Context) -> str:
    job = ran(context, "heartdisease")
    listing = clients.start_cli_command(context.world, "artifacts", "list", "--type", "prompts")
    showing = clients.start_cli_command(context.world, "artifacts", "show", job.job_id)
    code = listing.wait(60)
    text = listing.log.read_text(encoding="utf-8", errors="replace")
    expect(code == 0 and job.job_id[:12] in text, f"exit {code}; {listing.tail()}")
    code = showing.wait(60)
    text = showing.log.read_text(encoding="utf-8", errors="replace")
    expect(code == 0, f"exit {code}; {showing.tail()}")
    content = job.detail["best_snapshot"]["messages"][0]["content"].splitlines()[0][:40]
    # Lines are wrapped to the width of a terminal.
    flat = re.sub(r"\s+", " ", text)
    expect(content in flat, f"the prompt is not shown; {showing.tail()}")
    return f"listed and shown {job.job_id}"
