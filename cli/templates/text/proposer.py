"""Writes new texts from what the examples showed, in the place of a language model."""

import json
import sys


def rewrite(text: str, records: list[dict]) -> str:
    said = " ".join(record.get("feedback", "") for record in records)
    lines = []
    for line in text.split():
        name, number = line.split("=")
        value = int(number)
        if f"{name} is too low" in said:
            value += 1 + value // 4
        elif f"{name} is too high" in said:
            value -= 1
        lines.append(f"{name}={max(value, 1)}")
    return "\n".join(lines)


print(json.dumps({"proposer": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    texts = {
        name: rewrite(request["candidate"][name], component["records"])
        for name, component in request["components"].items()
    }
    print(json.dumps({"id": request["id"], "texts": texts}), flush=True)
