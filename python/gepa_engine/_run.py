"""Stored runs, read while they are written or after they are over."""

from __future__ import annotations

import html
import importlib
import os
import time
from collections.abc import Iterator
from typing import Any, Literal

from ._diff import Diff, diff_of
from ._native import Table, read_table
from ._native import runs as run_ids
from ._search import STORE_FILE, id_of_name

TABLES = ("statistics", "candidates", "trials", "rollouts", "reflections", "events")
SHOWN = (
    "name",
    "status",
    "baseline_score",
    "best_score",
    "baseline_validation_score",
    "best_validation_score",
    "iterations",
    "candidates_accepted",
    "total_rollouts",
    "failed_rollouts",
    "total_tokens",
    "total_cost_usd",
    "total_time_seconds",
    "stop_detail",
)


class Run:
    """A run in a store. Every call reads the store anew, so a run that goes on shows its present state."""

    def __init__(self, store: str | os.PathLike[str], run_id: str | None = None) -> None:
        """`store` is a store's URL or a `run_dir`; `run_id` is the id or the name that `optimize` was given.

        Without it the newest run of the store is meant.
        """
        self.store = _url_of(store)
        if run_id is None:
            known = run_ids(self.store)
            if not known:
                raise LookupError(f"there is no run in {self.store}")
            run_id = known[-1]
        self.run_id = id_of_name(run_id)

    @staticmethod
    def all(store: str | os.PathLike[str]) -> list[Run]:
        """All runs of a store or a `run_dir`, oldest first."""
        return [Run(store, one) for one in run_ids(_url_of(store))]

    # ---- Tables ------------------------------------------------------------------------------

    @property
    def candidates(self) -> Table:
        """One row per candidate tried. pandas, polars and pyarrow read it without copying rows."""
        return self.table("candidates")

    @property
    def trials(self) -> Table:
        """One row per candidate on a list of examples."""
        return self.table("trials")

    @property
    def rollouts(self) -> Table:
        """One row per executed rollout."""
        return self.table("rollouts")

    @property
    def reflections(self) -> Table:
        """One row per call of the reflection model, with the messages sent and the reply."""
        return self.table("reflections")

    @property
    def events(self) -> Table:
        """The journal."""
        return self.table("events")

    def table(self, name: str) -> Table:
        """A table with `__arrow_c_stream__`: `polars.DataFrame(table)`, `pyarrow.table(table)`."""
        return Table(self.store, self.run_id, name)

    def columns(self, table: str) -> dict[str, list[Any]]:
        """A table as a dictionary from column to list; lists and objects are Python's."""
        return read_table(self.store, self.run_id, table)

    def frame(self, table: str = "candidates", library: Literal["pandas", "polars"] = "pandas") -> Any:
        """A table as a frame of pandas or polars, column by column through Arrow.

        pandas before version 3 needs pyarrow for that.
        """
        if library not in ("pandas", "polars"):
            raise ValueError(f"library is 'pandas' or 'polars', not {library!r}; other libraries read table({table!r})")
        module = importlib.import_module(library)
        found = self.table(table)
        if library == "polars":
            return module.DataFrame(found)
        from_arrow = getattr(module.DataFrame, "from_arrow", None)
        if from_arrow is not None:
            return from_arrow(found)
        try:
            arrow = importlib.import_module("pyarrow")
        except ImportError as error:
            raise ImportError(
                "this version of pandas reads Arrow tables through pyarrow: pip install pyarrow, or use polars, or "
                "columns(), which needs no package"
            ) from error
        return arrow.table(found).to_pandas()

    # ---- Summaries ---------------------------------------------------------------------------

    @property
    def statistics(self) -> dict[str, Any]:
        """Counters, scores and status of the run."""
        return {name: values[0] for name, values in self.columns("statistics").items()}

    @property
    def best(self) -> dict[str, Any]:
        """The row of the candidate that the run chose; while it runs, of the best one so far."""
        return self.candidate("best")

    def candidate(self, which: int | str) -> dict[str, Any]:
        """The row of a candidate: an index of the archive, `baseline` or `best`."""
        wanted: Any = 0 if which == "baseline" else which
        if which == "best":
            # Means of rows of different length do not say which candidate is best; the run does.
            wanted = self.statistics.get("best_index")
            if wanted is None:
                raise LookupError("no candidate of this run has a score yet")
        columns = self.columns("candidates")
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        for row in rows:
            if row.get("index") == wanted:
                return row
        raise LookupError(f"there is no candidate {which!r}; give an index of the archive, 'baseline' or 'best'")

    def diff(self, before: int | str = "baseline", after: int | str = "best") -> Diff:
        """Two candidates beside each other: texts, and validation examples won and lost."""
        return diff_of(self.candidate(before), self.candidate(after))

    # ---- Following ---------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, or no process works on it any more."""
        statistics = self.statistics
        return statistics.get("status") != "running" or statistics.get("interruption") is not None

    def follow(self, interval: float = 1.0) -> Iterator[dict[str, Any]]:
        """The statistics each time the run has stored something new, until it is over.

        The last ones are those of the end. Another process, or another thread of this one, works on the run.
        """
        last = None
        while True:
            over, statistics = self.is_over, self.statistics
            if statistics != last:
                yield statistics
                last = statistics
            if over:
                return
            time.sleep(interval)

    def _repr_html_(self) -> str:
        statistics = self.statistics
        rows = "".join(
            f"<tr><td>{name.replace('_', ' ')}<td>{html.escape(_shown(statistics[name]))}"
            for name in SHOWN
            if statistics.get(name) is not None
        )
        return f"<table><caption>{html.escape(self.run_id)}</caption>{rows}</table>"

    def __repr__(self) -> str:
        return f"Run({self.store!r}, {self.run_id!r})"


def _url_of(store: str | os.PathLike[str]) -> str:
    store = os.fspath(store)
    if "://" in store or store == "memory:":
        return store
    return f"sqlite://{os.path.abspath(os.path.join(store, STORE_FILE))}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
