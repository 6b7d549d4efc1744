"""The pictures: one message each, as SVG and PNG."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.curves import CALLS, SECONDS, TEST, TOKENS, at
from harness.statistics import Record, by_family, estimate, estimate_curves
from harness.systems import SYSTEMS
from harness.tables import groups

mpl.use("Agg")
mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "gepa",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "figure.figsize": (7.2, 4.2),
        "figure.dpi": 110,
    }
)
COLOURS = {
    "ours": "#0b559f",
    "ours-sequential": "#7a9cc6",
    "ours-ordered-16-16": "#2b7bba",
    "ours-free-16-16": "#11a0a8",
    "ours-free-32-32": "#0d6b73",
    "ours-free-8-8": "#6ab7bd",
    "reference": "#d1622b",
    "reference-2x2": "#eda16f",
    "reference-4x4": "#b5822d",
    "reference-8x1": "#8a3b12",
    "crate": "#4f8f3a",
    "synth": "#777777",
}
GRID = 120


def score_over(
    records: list[Record], over: int, title: str, label: str, names: tuple[str, ...]
) -> Figure:
    """Test score of the best candidate so far, mean over worlds with a 95 % band."""
    figure, axes = _figure(title, label, "hidden-test score, mean over worlds")
    chosen = {name: found for _, _, name, found in groups(records) if name in names}
    chosen = {name: [one for one in found if "points" in one] for name, found in chosen.items()}
    limit = _limit(chosen, over)
    grid = np.linspace(0.0, limit, GRID)
    ends = []
    for name, found in chosen.items():
        curves: dict[str, list[np.ndarray]] = {}
        for one in found:
            curves.setdefault(one["family"], []).append(at(one, over, grid, TEST))
        mean, low, high = estimate_curves(curves)
        axes.plot(grid, mean, color=COLOURS[name], lw=1.8, drawstyle="steps-post")
        axes.fill_between(grid, low, high, color=COLOURS[name], alpha=0.13, lw=0, step="post")
        ends.append((float(mean[-1]), name))
    _direct_labels(axes, ends, limit)
    return figure


def utilisation(records: list[Record], title: str, names: tuple[str, ...]) -> Figure:
    """Busy slots over the course of a run."""
    figure, axes = _figure(title, "share of the run's duration (%)", "slots busy (%)")
    for _, _, name, found in groups(records):
        known = [one["utilisation_over_time"] for one in found if one.get("utilisation_over_time")]
        if name not in names or not known:
            continue
        mean = 100.0 * np.mean(np.array(known), axis=0)
        places = (np.arange(len(mean)) + 0.5) / len(mean) * 100.0
        axes.plot(places, mean, color=COLOURS[name], lw=1.6, label=SYSTEMS[name].label)
    axes.set_ylim(0, 102)
    axes.set_xlim(0, 100)
    # The ends of these lines meet at the bottom, so names beside them would say nothing.
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


def bars(records: list[Record], measure: str, title: str, label: str, log: bool) -> Figure:
    """One measure of every system, with its interval."""
    figure, axes = _figure(title, label, "")
    rows = []
    for _, _, name, found in groups(records):
        values = by_family(found, measure)
        if values:
            rows.append((name, estimate(values)))
    for place, (name, found) in enumerate(reversed(rows)):
        axes.barh(place, found.mean, color=COLOURS[name], height=0.7)
        axes.plot([found.low, found.high], [place, place], color="black", lw=1)
        axes.annotate(
            f"{found.mean:.3g}",
            (found.high, place),
            (5, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(rows)), [SYSTEMS[name].label for name, _ in reversed(rows)])
    axes.tick_params(axis="y", length=0)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.15)
    return figure


def family_grid(records: list[Record], names: tuple[str, ...], title: str) -> Figure:
    """Score over rollouts, family by family."""
    families = sorted({one["family"] for one in records})
    columns = min(4, len(families))
    lines = -(-len(families) // columns)
    figure = Figure(figsize=(2.4 * columns + 0.6, 2.1 * lines + 0.7), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True).ravel()
    for panel in panels[len(families) :]:
        panel.set_axis_off()
    for panel, family in zip(panels, families, strict=False):
        here = [one for one in records if one["family"] == family and "points" in one]
        for _, _, name, found in groups(here):
            if name not in names:
                continue
            grid = np.linspace(0.0, found[0]["budget"], GRID // 2)
            mean, low, high = estimate_curves({family: [at(one, CALLS, grid) for one in found]})
            panel.plot(grid, mean, color=COLOURS[name], lw=1.5, label=SYSTEMS[name].label)
            panel.fill_between(grid, low, high, color=COLOURS[name], alpha=0.13, lw=0)
        panel.set_title(family.replace("_", " "), fontsize=10)
        panel.tick_params(labelbottom=True)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    figure.supxlabel("policy calls", fontsize=10)
    figure.supylabel("hidden-test score", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    # In the empty panel, or where there is none in the last.
    panels[-1].legend(handles, labels, loc="upper left", frameon=False, fontsize=9)
    return figure


def save(figure: Figure, directory: Path, name: str) -> None:
    """Writes an SVG without a date, so that equal pictures are equal files."""
    directory.mkdir(parents=True, exist_ok=True)
    figure.savefig(directory / f"{name}.svg", metadata={"Date": None})


def _figure(title: str, below: str, beside: str) -> tuple[Figure, Axes]:
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    return figure, axes


def _limit(chosen: dict[str, list[Record]], over: int) -> float:
    """The budget. Tokens have no budget here: the largest median of any system."""
    ends = {SECONDS: "seconds", CALLS: "budget", TOKENS: "tokens"}[over]
    middles = [float(np.median([one[ends] for one in found])) for found in chosen.values() if found]
    return max(middles, default=1.0)


def _direct_labels(axes: Axes, ends: list[tuple[float, str]], place: float) -> None:
    """Names at the lines' ends, moved apart where they would lie on each other."""
    low, high = axes.get_ylim()
    gap = (high - low) * 0.052
    taken = -np.inf
    for height, name in sorted(ends):
        taken = max(height, taken + gap)
        axes.annotate(
            SYSTEMS[name].label,
            (place, taken),
            (6, 0),
            textcoords="offset points",
            color=COLOURS[name],
            va="center",
            annotation_clip=False,
            fontsize=9,
        )
    axes.set_xlim(0, place)
