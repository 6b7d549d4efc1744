"""Drives one job with the real SDK, in a process of its own, and prints what it returned as JSON.

Usage: drive_sdk.py CONFIG BACKEND OVERRIDES_JSON SECONDS OUTPUT [submit]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from synth_ai.api.train.prompt_learning import PromptLearningJob
from synth_ai.learning.prompt_learning_client import get_scoring_summary


def main() -> None:
    config, backend, overrides, seconds, output, *rest = sys.argv[1:]
    job = PromptLearningJob.from_config(
        config,
        backend_url=backend,
        api_key=os.environ["SYNTH_API_KEY"],
        overrides=json.loads(overrides),
    )
    returned: dict[str, object] = {}
    try:
        returned["job_id"] = job.submit()
        if rest != ["submit"]:
            returned["status"] = job.poll_until_complete(timeout=float(seconds), interval=0.5)
            returned["results"] = job.get_results()
            returned["best_text"] = job.get_best_prompt_text(rank=1)
            returned["summary"] = get_scoring_summary(
                str(job.job_id), backend, os.environ["SYNTH_API_KEY"]
            )
    except Exception as problem:  # what the SDK raises is part of what is shown
        returned["raised"] = f"{type(problem).__name__}: {problem}"
    Path(output).write_text(json.dumps(returned, indent=1), encoding="utf-8")


main()
