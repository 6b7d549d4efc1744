#!/usr/bin/env python3
"""A process evaluator: how well does a prompt's word list sort messages?

The candidate's component `words` lists spam words, one per line. Each example carries the fields
`text` and the expected answer. Standard library only.
"""

import json
import sys


def evaluate(request):
    words = {line.strip().lower() for line in request["candidate"]["words"].splitlines()}
    text = request["fields"]["text"]
    found = sorted(words & set(text.lower().split()))
    answer = "spam" if found else "ham"
    right = answer == request["expected"]
    reply = {
        "score": 1.0 if right else 0.0,
        "output": answer,
        "objectives": {"brevity": 1.0 / (1 + len(words))},
        "feedback": f"The expected answer is `{request['expected']}`; words found: {found}.",
    }
    if request["wants_trace"]:
        reply["trace"] = {"Inputs": {"text": text}, "Words found": found}
    return reply


def main():
    # The first line says which protocol is spoken, and that the process is ready.
    print(json.dumps({"protocol": 1}), flush=True)
    # The loop ends when the engine closes stdin.
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = evaluate(request)
        except KeyError as missing:
            reply = {"error": {"kind": "permanent", "message": f"no {missing} in the request"}}
        reply["id"] = request["id"]
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
