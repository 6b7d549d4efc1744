"""Scores answers. Replace `score`; the rest speaks with gepa: one line of JSON in, one line out."""

import json
import sys


def score(output: str, expected: str) -> tuple[float, str]:
    """From 0 to 1, and the reason in words."""
    if output.strip().lower() == expected.strip().lower():
        return 1.0, f"The answer is right: `{expected}`."
    return 0.0, f"The answer was `{output}`. The expected answer is `{expected}`."


print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    value, feedback = score(request["output"], request["expected"])
    print(json.dumps({"id": request["id"], "score": value, "feedback": feedback}), flush=True)
