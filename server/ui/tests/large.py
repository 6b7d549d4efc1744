"""Adds a large run to a store: large.py STORE.db RUN [CANDIDATES] [EXAMPLES] [ROLLOUTS].

The rows are copies of those of RUN, a small run in the same store, with other candidates, scores, examples
and times: a call of the reflection model and three trials for each candidate, 16 rollouts at a time. The
journal holds the rollouts, the reflections and the last acceptance, so the run can be looked at and not resumed.
Prints the id of the new run.
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import sys

NAME = "pl_1a49e000000000000000000000"
START = 1_795_764_680_000_000
ROLLOUT = 2_000_000
SLOTS = 16


def main() -> None:
    path, source, *sizes = sys.argv[1:]
    candidates, examples, rollouts = (int(one) for one in [*sizes, *[10_000, 300, 1_000_000][len(sizes) :]])
    store = sqlite3.connect(path)
    store.row_factory = sqlite3.Row
    draw = random.Random(7)
    run = dict(store.execute("SELECT * FROM runs WHERE run_id = ?", [source]).fetchone())
    number = store.execute("SELECT max(id) + 1 FROM runs").fetchone()[0]
    summary = json.loads(run["summary"])
    names = list(range(examples))
    run.update(created_at=START, id=number, run_id=NAME, name="a large run", pareto=json.dumps(names))
    del run["status"], run["best_score"]
    rows = [make_candidate(store, source, index, draw, examples) for index in range(candidates)]
    best = max(rows, key=lambda row: row["mean_score"])
    summary["best"], summary["best_score"] = best["archive_index"], best["mean_score"]
    summary["baseline_score"] = rows[0]["mean_score"]
    summary["validation"] = []
    summary["seq"] = candidates + rollouts + 1
    end = START + rollouts * ROLLOUT // SLOTS
    summary["started_at"], summary["updated_at"], summary["finished_at"] = START, end, end
    summary["active_seconds"] = (end - START) / 1e6
    summary["acts"], summary["rests"] = [], []
    summary["counters"].update(
        trials_tried=candidates, candidates_accepted=candidates, total_rollouts=rollouts, iterations=candidates
    )
    run["summary"] = json.dumps(summary)
    insert(store, "runs", [run])
    insert(store, "candidates", rows)
    store.executemany(
        "INSERT OR IGNORE INTO texts VALUES (?, ?)",
        ((row["candidate_id"], json.dumps({"instruction": f"Candidate {row['iteration']}.\n" * 20})) for row in rows),
    )
    template = dict(store.execute("SELECT * FROM rollouts WHERE run_id = ? LIMIT 1", [source]).fetchone())
    made = list(make_rollouts(template, number, rows, examples, rollouts))
    insert(store, "rollouts", made)
    insert(store, "events", events_of(store, source, "rollout_settled", number, made))
    reflection = dict(store.execute("SELECT * FROM reflections WHERE run_id = ? LIMIT 1", [source]).fetchone())
    calls = [{**reflection, "run_id": NAME, "seq": rollouts + place + 1, "iteration": place, **times(place * rollouts // candidates, 20)} for place in range(candidates)]
    insert(store, "reflections", calls)
    insert(store, "events", events_of(store, source, "reflection_settled", number, calls))
    insert(store, "trials", make_trials(store, source, rows, examples, rollouts // candidates))
    accepted = {
        "kind": "candidate_accepted",
        "iteration": rows[-1]["iteration"],
        "index": candidates - 1,
        "candidate": rows[-1]["candidate_id"],
        "parents": [],
        "origin": "reflection",
        "mean_score": rows[-1]["mean_score"],
        "scores": [],
        "objectives": {},
        "front": sorted(draw.sample(range(candidates), min(40, candidates))),
        "improvement": True,
        "best": False,
        "committed_rollouts": rollouts,
    }
    event = {
        "id": (number << 40) | summary["seq"],
        "run_id": NAME,
        "seq": summary["seq"],
        "at": run["created_at"],
        "kind": "candidate_accepted",
        "body": json.dumps(accepted),
    }
    rows[-1]["accepted_seq"] = summary["seq"]
    store.execute("UPDATE candidates SET accepted_seq = ? WHERE run_id = ? AND archive_index = ?", [summary["seq"], NAME, candidates - 1])
    insert(store, "events", [event])
    store.commit()
    print(NAME)


def make_candidate(store: sqlite3.Connection, source: str, index: int, draw: random.Random, examples: int) -> dict:
    skill = 0.4 + 0.4 * index / 10_000
    scores = [float(draw.random() < skill) for _ in range(examples)]
    return {
        "run_id": NAME,
        "iteration": index,
        "candidate_id": hashlib.sha256(str(index).encode()).hexdigest(),
        "archive_index": index,
        "origin": "reflection" if index else "seed",
        "parents": json.dumps([draw.randrange(index)] if index else []),
        "status": "accepted",
        "gate_passed": 1 if index else None,
        "gate_compared": 3 if index else None,
        "gate_parent_sum": 1.0 if index else None,
        "gate_child_sum": 2.0 if index else None,
        "mean_score": sum(scores) / examples,
        "scores": json.dumps(scores),
        "objectives": "{}",
        "created_at": START + index * 12_500_000,
    }


def make_rollouts(template: dict, number: int, rows: list[dict], examples: int, rollouts: int):
    each = rollouts // len(rows)
    seq = 0
    for index, row in enumerate(rows):
        scores = json.loads(row["scores"])
        for place in range(each):
            seq += 1
            example = (index * 7 + place) % examples
            yield {
                **template,
                "id": (number << 40) | seq,
                "run_id": NAME,
                "seq": seq,
                "iteration": index,
                "trial_index": 0,
                "position": place,
                "candidate_id": row["candidate_id"],
                "stage": "pareto",
                "seed": example,
                "score": scores[example],
                **times(seq, 1),
            }


def times(place: int, length: int) -> dict:
    """When the rollout of this place began, with 16 at a time, and a call `length` times as long ended."""
    began = START + place // SLOTS * ROLLOUT + place % SLOTS * 1000
    return {"started_at": began, "finished_at": began + ROLLOUT * length}


def events_of(store: sqlite3.Connection, source: str, kind: str, number: int, rows: list[dict]):
    body = store.execute("SELECT body FROM events WHERE id > (SELECT id << 40 FROM runs WHERE run_id = ?) AND kind = ? LIMIT 1", [source, kind]).fetchone()[0]
    for row in rows:
        yield {"id": (number << 40) | row["seq"], "run_id": NAME, "seq": row["seq"], "at": row["finished_at"], "kind": kind, "body": body}


def make_trials(store: sqlite3.Connection, source: str, rows: list[dict], examples: int, each: int):
    template = dict(store.execute("SELECT * FROM trials WHERE run_id = ? LIMIT 1", [source]).fetchone())
    del template["id"]
    parts = [("minibatch_parent", 3), ("minibatch_child", 3), ("pareto", each)]
    for place, row in enumerate(rows):
        for index, (stage, size) in enumerate(parts):
            yield {
                **template,
                "run_id": NAME,
                "iteration": row["iteration"],
                "trial_index": index,
                "candidate_id": row["candidate_id"],
                "phase": "optimization",
                "stage": stage,
                "seeds": json.dumps([(place * 7 + at) % examples for at in range(size)]),
                "executed": each if stage == "pareto" else 0,
                **times(place * each, 1),
            }


def insert(store: sqlite3.Connection, table: str, rows) -> None:
    rows = iter(rows)
    first = next(rows)
    names = list(first)
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    store.execute(statement, list(first.values()))
    store.executemany(statement, (list(row.values()) for row in rows))


main()
