"""The figures in `docs/benchmarks.md`: written between two markers, so that a new run needs no
editing and no figure is copied by hand."""

from __future__ import annotations

from pathlib import Path

from harness.plan import FAMILIES
from harness.statistics import Record, by_family, estimate, paired
from harness.systems import SYSTEMS
from harness.tables import Row, groups, markdown, times

BEGIN = "<!-- figures of bench/compare: begin -->"
END = "<!-- figures of bench/compare: end -->"
REFERENCE = "reference"
ENOUGH_SEEDS = 20


def write_figures(file: Path, records: list[Record], conditions: list[Record]) -> None:
    """Puts the figures of these records into the document."""
    text = file.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    file.write_text(before + BEGIN + "\n\n" + figures(records, conditions) + "\n" + END + after)


def figures(records: list[Record], conditions: list[Record]) -> str:
    """All tables, each under a line that says what it shows."""
    rollouts = [one for one in records if one["experiment"] == "rollouts"]
    timed = [one for one in records if one["experiment"] == "time"]
    few = [one for one in records if one["experiment"] == "small"]
    parts = []
    if rollouts:
        parts += ["**Equal rollouts.** " + _setting(rollouts), markdown(_scores(rollouts))]
        families = "Test score minus the reference's when the budget is spent, family by family:"
        parts += [families, markdown(_families(rollouts))]
    for slots in sorted({one["slots"] for one in timed}):
        here = [one for one in timed if one["slots"] == slots]
        parts += [f"**Equal time, {slots} slots.** " + _setting(here), markdown(_times(here))]
    if few:
        parts += ["**Small budget.** " + _setting(few), markdown(_few(few))]
    parts += [_condition(one) for one in conditions]
    return "\n\n".join(parts) + "\n"


def _scores(records: list[Record]) -> list[Row]:
    rows = []
    found = {name: of for _, _, name, of in groups(records)}
    for name, of in found.items():
        row: Row = {"system": SYSTEMS[name].label, "finished": _finished(of)}
        for title, measure in (("25 %", "test_at_25"), ("50 %", "test_at_50")):
            row[f"at {title}"] = f"{estimate(by_family(of, measure)).mean:.3f}"
        row["at 100 %"] = estimate(by_family(of, "test_at_100")).text()
        row["minus reference"] = _difference(of, found.get(REFERENCE, []), "test_at_100")
        for title, measure, digits in (
            ("accepted", "accepted", 1),
            ("% over budget", "overshoot", 1),
            ("peak MB", "peak_megabytes", 0),
            ("CPU ms/rollout", "cpu_ms_per_rollout", 2),
        ):
            row[title] = f"{estimate(by_family(of, measure)).mean:.{digits}f}"
        rows.append(row)
    return rows


def _families(records: list[Record]) -> list[Row]:
    found = {name: of for _, _, name, of in groups(records)}
    reference = found.pop(REFERENCE, [])
    rows = []
    for family in FAMILIES:
        row: Row = {"family": family.replace("_", " ")}
        for name, of in found.items():
            here = [one for one in of if one["family"] == family]
            row[SYSTEMS[name].label] = _difference(here, reference, "test_at_100")
        rows.append(row)
    return rows


def _times(records: list[Record]) -> list[Row]:
    found = {name: of for _, _, name, of in groups(records)}
    reached = {row["system"]: row for row in times(records, REFERENCE)}
    rows = []
    for name, of in found.items():
        label = SYSTEMS[name].label
        row: Row = {"system": label, "finished": _finished(of)}
        row["half-time"] = f"{estimate(by_family(of, 'test_at_50')).mean:.3f}"
        row["at the end"] = estimate(by_family(of, "test_at_100")).text()
        row["minus reference"] = _difference(of, found.get(REFERENCE, []), "test_at_100")
        for title, measure, digits in (
            ("calls", "policy_calls", 0),
            ("accepted", "accepted", 0),
            ("slots busy", "utilisation", 2),
            ("s/accepted", "seconds_per_accepted", 2),
        ):
            values = by_family(of, measure)
            row[title] = f"{estimate(values).mean:.{digits}f}" if values else ""
        row["reached"] = reached.get(label, {}).get("reached", "")
        row["after, s"] = reached.get(label, {}).get("median seconds", "")
        rows.append(row)
    return rows


def _few(records: list[Record]) -> list[Row]:
    rows = []
    for _, _, name, of in groups(records):
        ended = [one for one in of if "points" in one]
        row: Row = {"system": SYSTEMS[name].label, "finished": _finished(of)}
        for title, measure, digits in (
            ("test score, each", "final_test", 3),
            ("seconds, each", "wall_seconds", 1),
            ("peak MB, each", "peak_megabytes", 0),
            ("CPU ms/rollout, each", "cpu_ms_per_rollout", 1),
        ):
            values = (one[measure] for one in ended)
            row[title] = ", ".join("" if one is None else f"{one:.{digits}f}" for one in values)
        rows.append(row)
    return rows


def _difference(left: list[Record], right: list[Record], measure: str) -> str:
    values = paired(left, right, measure)
    if not values or left is right:
        return ""
    return estimate(values).text(sign=True)


def _finished(records: list[Record]) -> str:
    return f"{sum(one['outcome'] == 'finished' for one in records)}/{len(records)}"


def _setting(records: list[Record]) -> str:
    first = records[0]
    families = ", ".join(sorted({one["family"].replace("_", " ") for one in records}))
    seeds = len({one["seed"] for one in records})
    budget = (
        f"{first['budget']} policy calls"
        if first["seconds"] is None
        else f"{first['seconds']} s and any number of policy calls"
    )
    provisional = "" if seeds >= ENOUGH_SEEDS else " Too few seeds to claim a mean: provisional."
    return (
        f"{budget}, {first['slots']} slots, {first['pareto']} pareto examples,"
        f" {seeds} seeds of: {families}.{provisional}"
    )


def _condition(one: Record) -> str:
    latency = one["latency"]
    return (
        f"Experiment `{one['conditions']}`: {one['runs']} runs, {one['at_once']} at once, in"
        f" {one['seconds']:.0f} s; rollouts of {latency['policy_ms']:.0f} ms and reflections of"
        f" {latency['reflector_ms']:.0f} ms on average; the machine's cores were busy"
        f" {one['machine_busy']:.0%} of the time, the server used"
        f" {one['server_cpu_seconds'] / one['seconds']:.2f} cores."
    )
