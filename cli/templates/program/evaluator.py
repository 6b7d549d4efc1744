"""Runs the candidate on one example. Replace `evaluate`; the rest speaks with gepa: a line in, a line out."""

import json
import sys


def evaluate(words: list[str], text: str, expected: str) -> tuple[float, str, str]:
    """Score from 0 to 1, the reason in words, and what the program answered."""
    found = [word for word in text.split() if word in words]
    answer = "urgent" if found else "normal"
    if answer == expected:
        return 1.0, "The answer is right.", answer
    if found:
        return 0.0, f"The expected answer is `{expected}`. A word to remove: `{found[0]}`.", answer
    longest = max(text.split(), key=len)
    return 0.0, f"The expected answer is `{expected}`. A word to add: `{longest}`.", answer


print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    words = request["candidate"]["words"].split()
    score, feedback, output = evaluate(words, request["fields"]["text"], request["expected"])
    print(json.dumps({"id": request["id"], "score": score, "feedback": feedback, "output": output}), flush=True)
