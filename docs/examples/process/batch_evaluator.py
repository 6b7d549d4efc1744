#!/usr/bin/env python3
"""A process evaluator that takes batches: the word list of evaluator.py, many messages at once.

Taking a batch pays where a call has a price of its own: a model loaded on a GPU, a request to a
server that takes lists, a database. Standard library only.
"""

import json
import sys


def classify(words, texts):
    """The call with a price of its own: all texts at once."""
    return ["spam" if words & set(text.lower().split()) else "ham" for text in texts]


def evaluate(batch):
    words = {line.strip().lower() for line in batch["candidate"]["words"].splitlines()}
    examples = batch["examples"]
    usable = [example for example in examples if "fields" in example]
    answers = classify(words, [example["fields"]["text"] for example in usable])
    for example, answer in zip(usable, answers):
        right = answer == example["expected"]
        yield {
            "id": example["id"],
            "score": 1.0 if right else 0.0,
            "output": answer,
            "feedback": f"The expected answer is `{example['expected']}`.",
        }
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
