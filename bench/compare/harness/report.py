"""Tables and pictures from the records there are."""

from __future__ import annotations

import json
from pathlib import Path

from harness import pictures, tables
from harness.curves import CALLS, SECONDS, TOKENS, with_derived
from harness.document import write_figures
from harness.statistics import Record

ROLLOUT_NAMES = ("ours", "ours-sequential", "ours-free-16-16", "reference", "crate")
TIME_NAMES = (
    "ours",
    "ours-free-16-16",
    "ours-free-32-32",
    "reference",
    "reference-4x4",
    "reference-8x1",
    "crate",
)
REFERENCE = "reference"
PEERS = (REFERENCE, "reference-2x2", "reference-4x4", "reference-8x1", "crate", "synth")


def write_report(
    read: list[Record], results: Path, pictures_to: Path, document: Path | None
) -> None:
    """Writes CSV, JSON, Markdown and pictures, the figures of a document, and prints the tables."""
    records = [with_derived(one) for one in read if "key" in one]
    conditions = [one for one in read if "conditions" in one]
    found = {
        "summary": tables.summary(records),
        "paired": [
            row
            for peer in PEERS
            for row in tables.differences(records, peer, by_itself=peer == REFERENCE)
        ],
        "time_to_score": tables.times(records, REFERENCE),
    }
    text = []
    for name, rows in found.items():
        tables.write_csv(results / f"{name}.csv", rows)
        text.append(f"## {name}\n\n{tables.markdown(rows)}\n")
    tables.write_csv(results / "runs.csv", tables.runs(records))
    everything = {**found, "conditions": conditions}
    (results / "summary.json").write_text(json.dumps(everything, indent=1) + "\n")
    (results / "tables.md").write_text("\n".join(text))
    print("\n".join(text))
    if document is not None:
        write_figures(document, records, conditions)
    draw([one for one in records if one["experiment"] == "rollouts"], pictures_to, "rollouts")
    timed = [one for one in records if one["experiment"] == "time"]
    for slots in sorted({one["slots"] for one in timed}):
        draw_time([one for one in timed if one["slots"] == slots], pictures_to, slots)


def draw(records: list[Record], directory: Path, name: str) -> None:
    """What equal rollouts show."""
    if not records:
        return
    over_calls = pictures.score_over(
        records, CALLS, "Score against rollouts", "policy calls", ROLLOUT_NAMES
    )
    pictures.save(over_calls, directory, f"score-{name}")
    over_tokens = pictures.score_over(
        records, TOKENS, "Score against tokens", "tokens, all models", ROLLOUT_NAMES
    )
    pictures.save(over_tokens, directory, "score-tokens")
    names = ("ours", "ours-sequential", "reference", "crate")
    grid = pictures.family_grid(records, names, "Score against rollouts, family by family")
    pictures.save(grid, directory, "score-families")
    for measure, title, label in (
        ("peak_megabytes", "Peak memory of the optimizer", "MB resident"),
        ("cpu_ms_per_rollout", "CPU of the optimizer per rollout", "ms per policy call"),
    ):
        figure = pictures.bars(records, measure, title, label, log=False)
        pictures.save(figure, directory, measure.replace("_", "-"))


def draw_time(records: list[Record], directory: Path, slots: int) -> None:
    """What equal time shows."""
    place = f"{slots} slots"
    over_time = pictures.score_over(
        records, SECONDS, f"Score against wall-clock, {place}", "seconds", TIME_NAMES
    )
    pictures.save(over_time, directory, f"score-seconds-{slots}")
    busy = pictures.utilisation(records, f"Slots busy over a run, {place}", TIME_NAMES)
    pictures.save(busy, directory, f"utilisation-{slots}")
    accepted = pictures.bars(
        records,
        "seconds_per_accepted",
        f"Wall-clock per accepted candidate, {place}",
        "seconds, logarithmic",
        log=True,
    )
    pictures.save(accepted, directory, f"seconds-per-accepted-{slots}")
