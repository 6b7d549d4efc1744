"""The tables: lists of rows, every row an ordered map from column to value."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from harness.curves import seconds_until
from harness.statistics import Estimate, Record, by_family, estimate, paired
from harness.systems import SYSTEMS

Row = dict[str, Any]
SCALARS = tuple(
    """
    experiment system family seed pareto slots budget seconds outcome seed_test final_test
    test_at_25 test_at_50 test_at_100 area seed_pareto final_pareto observed_pareto accepted
    policy_calls overshoot reflector_calls tokens errors max_in_flight wall_seconds
    process_seconds model_seconds concurrency utilisation seconds_per_accepted peak_megabytes
    cpu_seconds cpu_start_seconds cpu_ms_per_rollout
    """.split()
)


def runs(records: list[Record]) -> list[Row]:
    """One row per run, without its curves."""
    return [{name: _plain(record.get(name)) for name in SCALARS} for record in records]


def summary(records: list[Record]) -> list[Row]:
    """One row per experiment, number of slots and system."""
    rows = []
    for experiment, slots, system, found in groups(records):
        row: Row = {
            "experiment": experiment,
            "slots": slots,
            "system": SYSTEMS[system].label,
            "finished": f"{sum(one['outcome'] == 'finished' for one in found)}/{len(found)}",
        }
        for title, measure, digits in (
            ("test score", "final_test", 3),
            ("area", "area", 3),
            ("calls", "policy_calls", 0),
            ("% over budget", "overshoot", 1),
            ("reflections", "reflector_calls", 0),
            ("tokens", "tokens", 0),
            ("accepted", "accepted", 1),
            ("seconds", "wall_seconds", 2),
            ("utilisation", "utilisation", 3),
            ("s/accepted", "seconds_per_accepted", 2),
            ("peak MB", "peak_megabytes", 0),
            ("CPU ms/rollout", "cpu_ms_per_rollout", 3),
        ):
            values = by_family(found, measure)
            row[title] = f"{estimate(values).mean:.{digits}f}" if values else ""
        rows.append(row)
    return rows


def differences(records: list[Record], against: str, by_itself: bool) -> list[Row]:
    """Ours minus another system on the same worlds, over all families and each `by_itself`."""
    rows = []
    grouped = {(e, s, name): found for e, s, name, found in groups(records)}
    for (experiment, slots, name), found in grouped.items():
        other = grouped.get((experiment, slots, against))
        if SYSTEMS[name].kind != "ours" or other is None:
            continue
        if not paired(found, other, "final_test"):
            continue
        measures = ("final_test", "test_at_25", "test_at_50", "test_at_100", "area")
        by_measure = {measure: paired(found, other, measure) for measure in measures}
        families = list(by_measure["final_test"])
        for family in [*(families if by_itself else []), "all"]:
            row: Row = {
                "experiment": experiment,
                "slots": slots,
                "system": SYSTEMS[name].label,
                "minus": SYSTEMS[against].label,
                "family": family,
            }
            for measure, values in by_measure.items():
                kept = values if family == "all" else {family: values[family]}
                found_here = estimate(kept)
                row["worlds"] = found_here.count
                row[measure] = found_here.text(sign=True)
            rows.append(row)
    return rows


def times(records: list[Record], against: str, share: float = 0.9) -> list[Row]:
    """How long until `share` of the gain that `against` ends with on the same world is reached. The
    ratio is over worlds where both got there; who got there how often stands beside it."""
    grouped = {(e, s, name): found for e, s, name, found in groups(records) if e == "time"}
    rows = []
    for (experiment, slots, name), found in grouped.items():
        others = {
            (one["family"], one["seed"]): one
            for one in grouped.get((experiment, slots, against), [])
            if "points" in one
        }
        reached, ratios, speedups = 0, [], []
        counted = [one for one in found if (one["family"], one["seed"]) in others]
        for one in counted:
            other = others[one["family"], one["seed"]]
            gain = other["final_pareto"] - other["seed_pareto"]
            if gain <= 0.0 or "points" not in one:
                continue
            target = other["seed_pareto"] + share * gain
            mine, theirs = seconds_until(one, target), seconds_until(other, target)
            if mine is not None:
                reached += 1
                ratios.append(mine)
            if mine and theirs:
                speedups.append(theirs / mine)
        if not counted:
            continue
        rows.append(
            {
                "slots": slots,
                "system": SYSTEMS[name].label,
                "reached": f"{reached}/{len(counted)}",
                "median seconds": f"{np.median(ratios):.1f}" if ratios else "",
                "times faster, geometric mean": _geometric(speedups),
            }
        )
    return rows


def groups(records: list[Record]) -> Iterable[tuple[str, int, str, list[Record]]]:
    """Records by experiment, slots and system, systems in the order of the catalogue."""
    keys = {(one["experiment"], one["slots"]) for one in records}
    for experiment, slots in sorted(keys):
        for system in SYSTEMS:
            found = [
                one
                for one in records
                if (one["experiment"], one["slots"], one["system"]) == (experiment, slots, system)
            ]
            if found:
                yield experiment, slots, system, found


def write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def markdown(rows: list[Row]) -> str:
    """A table as Markdown; readable on a terminal as well."""
    if not rows:
        return ""
    columns = list(rows[0])
    cells = [columns, *[[str(row[column]) for column in columns] for row in rows]]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    lines = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


def _geometric(ratios: list[float]) -> str:
    if not ratios:
        return ""
    logs = {"all": [float(np.log(ratio)) for ratio in ratios]}
    found = estimate(logs)
    mean, low, high = (float(np.exp(one)) for one in (found.mean, found.low, found.high))
    return Estimate(found.count, mean, low, high).text(2)
