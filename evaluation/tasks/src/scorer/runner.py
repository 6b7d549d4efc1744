import datetime, difflib, json, math, re, statistics, sys

protocol, sys.stdout = sys.stdout, sys.stderr
code = compile(sys.argv[1], "<expression>", "eval")
modules = {
    module.__name__: module for module in (datetime, difflib, json, math, re, statistics)
}


def reply_to(question):
    names = {name: question.get(name) for name in ("output", "expected", "input", "example")}
    value = eval(code, {**modules, **names})
    if isinstance(value, dict):
        return value
    if isinstance(value, (tuple, list)):
        score, feedback = value
        return {"score": float(score), "feedback": str(feedback)}
    return {"score": float(value)}


def say(line):
    protocol.write(json.dumps(line) + "\n")
    protocol.flush()


say({"protocol": 1})
for line in sys.stdin:
    question = json.loads(line)
    try:
        reply = reply_to(question)
        json.dumps(reply, allow_nan=False)
    except Exception as error:
        message = f"the expression raised {type(error).__name__}: {error}"
        reply = {"error": {"kind": "permanent", "message": message}}
    say({**reply, "id": question["id"]})
