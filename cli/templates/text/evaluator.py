"""Measures the candidate. Replace `measure`; the rest speaks with gepa: one line of JSON in, one line out."""

import json
import sys


def measure(settings: dict[str, int], load: int) -> tuple[float, str]:
    """Score from 0 to 1, and the reason in words. Here: how near the settings are to what the load needs."""
    needed = {"workers": 6 + load % 3, "batch": 16 + load % 5}
    score, reasons = 0.0, []
    for name, best in needed.items():
        value = max(settings.get(name, 1), 1)
        score += min(value, best) / max(value, best) / len(needed)
        if value != best:
            reasons.append(f"{name} is too {'low' if value < best else 'high'}.")
    return score, " ".join(reasons) or "All settings fit."


print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    try:
        pairs = [line.split("=") for line in request["candidate"]["settings"].split()]
        score, feedback = measure({name: int(value) for name, value in pairs}, request["example"])
        reply = {"score": score, "feedback": feedback}
    except ValueError:
        reply = {"score": 0.0, "feedback": "Each line must be NAME=NUMBER."}
    print(json.dumps({"id": request["id"], **reply}), flush=True)
