#!/usr/bin/env python3
"""A process evaluator that takes batches: the word list of evaluator.py, many messages at once.

Taking a batch pays where a call has a price of its own: a model loaded on a GPU, a request to a
server that takes lists, a database. Standard library only.
"""

import json
import sys


def classify(words, texts):
    """The call with a price of its own: the words found in each text, all texts at once."""
    return [sorted(words & set(text.lower().split())) for text in texts]


def evaluate(batch):
    words = {line.strip().lower() for line in batch["candidate"]["words"].splitlines()}
    examples = batch["examples"]
    usable = [example for example in examples if "fields" in example]
    texts = [example["fields"]["text"] for example in usable]
    for example, text, found in zip(usable, texts, classify(words, texts)):
        answer = "spam" if found else "ham"
        right = answer == example["expected"]
        reply = {
            "id": example["id"],
            "score": 1.0 if right else 0.0,
            "output": answer,
            "feedback": f"The expected answer is `{example['expected']}`.",
        }
        if batch["wants_trace"]:
            reply["trace"] = {"Inputs": {"text": text}, "Words found": found}
        yield reply
    for example in examples:
        if "fields" not in example:
            error = {"kind": "permanent", "message": "no 'fields' in the request"}
            yield {"id": example["id"], "error": error}


def main():
    # Protocol 2, at most 64 examples of a trial in one line.
    print(json.dumps({"protocol": 2, "batch": 64}), flush=True)
    # The loop ends when the engine closes stdin.
    for line in sys.stdin:
        for answer in evaluate(json.loads(line)):
            # Each answer as soon as it is known, in any order.
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
