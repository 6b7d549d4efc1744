"""Stored runs, read while they are written or after they are over."""

from __future__ import annotations

import html
import importlib
import os
from typing import Any

from ._native import read_table
from ._native import runs as run_ids
from ._search import STORE_FILE

TABLES = ("statistics", "candidates", "trials", "rollouts", "events")


class Run:
    """A run in a store. Every call reads the store anew, so a run that goes on shows its present state."""

    def __init__(self, store: str, run_id: str | None = None) -> None:
        """`store` is a store's URL or a `run_dir`; without an id its newest run is meant."""
        if "://" not in store:
            store = f"sqlite://{os.path.abspath(os.path.join(store, STORE_FILE))}"
        self.store = store
        if run_id is None:
            known = run_ids(store)
            if not known:
                raise LookupError(f"there is no run in {store}")
            run_id = known[-1]
        self.run_id = run_id

    @staticmethod
    def all(store: str) -> list[Run]:
        """All runs of a store, oldest first."""
        return [Run(store, one) for one in run_ids(store)]

    def columns(self, table: str) -> dict[str, list[Any]]:
        """A table as a dictionary from column to list."""
        return read_table(self.store, self.run_id, table)

    def frame(self, table: str = "candidates", library: str = "pandas") -> Any:
        """A table as a frame of pandas or polars."""
        module = importlib.import_module(library)
        return module.DataFrame(self.columns(table))

    @property
    def statistics(self) -> dict[str, Any]:
        """Counters, scores and status of the run."""
        return {name: values[0] for name, values in self.columns("statistics").items()}

    @property
    def best(self) -> dict[str, Any]:
        """The row of the best candidate by mean score."""
        columns = self.columns("candidates")
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        scored = [row for row in rows if row.get("mean_score") is not None]
        if not scored:
            raise LookupError("no candidate of this run has a score yet")
        return max(scored, key=lambda row: row["mean_score"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(name)}<td>{html.escape(str(value))}"
            for name, value in self.statistics.items()
            if not isinstance(value, (dict, list))
        )
        return f"<table><caption>{html.escape(self.run_id)}</caption>{rows}</table>"

    def __repr__(self) -> str:
        return f"Run({self.store!r}, {self.run_id!r})"
