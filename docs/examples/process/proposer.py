#!/usr/bin/env python3
"""A process proposer: writes new word lists for the evaluator of evaluator.py.

It reads the examples that went wrong: a message that should have been found gives its longest word
to the list, a word that found a message it should not have is taken out. Standard library only.
"""

import json
import sys


def rewrite(text, records):
    words = [line.strip() for line in text.splitlines() if line.strip()]
    for record in records:
        shown = record["shown"]
        if record["score"] >= 1.0:
            continue
        found = shown["Words found"]
        if found:
            words = [word for word in words if word.lower() not in found]
        else:
            words.append(max(shown["Inputs"]["text"].lower().split(), key=len))
    return "\n".join(dict.fromkeys(words)) or "nothing"


def propose(request):
    texts = {}
    for name, component in request["components"].items():
        texts[name] = rewrite(request["candidate"][name], component["records"])
    return {"texts": texts}


def main():
    # The first line says which protocol is spoken, and that the process is ready.
    print(json.dumps({"proposer": 1}), flush=True)
    # The loop ends when the engine closes stdin.
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = propose(request)
        except KeyError as missing:
            reply = {"error": {"message": f"no {missing} in the request"}}
        reply["id"] = request["id"]
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
