"""Builds the data directories from which the real task apps load without a network.

Hugging Face's `load_dataset("owner/name")` takes a local directory of that relative name, so the
apps run unmodified with this directory as their current one.

The public files are sorted by class, and the seeds of the genuine configs are the first rows. So
rows are put in an order, the same each time, in which the first rows see several classes: heart
disease and iris are shuffled; of banking77 the rows of the first six intents come first, shuffled,
then all others as published. No row is added, left out or changed.
"""

from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path

HERE = Path(__file__).resolve().parent
INTENTS_FIRST = 6


def shared_datasets() -> Path:
    """The folder of public data sets; see CONTRIBUTING.md."""
    named = os.environ.get("SHARED_DATASETS")
    folder = Path(named) if named else HERE.parents[2] / "shared" / "datasets"
    if not (folder / "heart_disease").is_dir():
        raise FileNotFoundError(
            f"no public data sets in {folder}: set SHARED_DATASETS to the folder that holds "
            "heart_disease and banking77"
        )
    return folder


def build(target: Path) -> Path:
    """Fills `target`; the current directory for the apps. Returns the banking77 directory."""
    shared = shared_datasets()
    write_heart_disease(shared / "heart_disease", target / "buio" / "heart-disease")
    write_iris(target / "scikit-learn" / "iris")
    banking77 = target / "banking77"
    write_banking77(shared / "banking77", banking77)
    return banking77


def write_heart_disease(source: Path, target: Path) -> None:
    with (source / "dataset.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file))
    random.Random(1).shuffle(rows)
    target.mkdir(parents=True, exist_ok=True)
    with (target / "train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_iris(target: Path) -> None:
    from datasets import ClassLabel, Dataset
    from sklearn.datasets import load_iris

    iris = load_iris()
    order = list(range(len(iris.target)))
    random.Random(2).shuffle(order)
    names = [name.removesuffix(" (cm)").replace(" ", "_") for name in iris.feature_names]
    columns: dict[str, list[object]] = {
        name: [float(iris.data[row][column]) for row in order] for column, name in enumerate(names)
    }
    columns["label"] = [int(iris.target[row]) for row in order]
    table = Dataset.from_dict(columns)
    table = table.cast_column("label", ClassLabel(names=[str(name) for name in iris.target_names]))
    target.mkdir(parents=True, exist_ok=True)
    table.to_parquet(str(target / "train.parquet"))


def write_banking77(source: Path, target: Path) -> None:
    from datasets import ClassLabel, Dataset

    intents: list[str] = json.loads((source / "categories.json").read_text(encoding="utf-8"))
    target.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        with (source / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
        first_intents = list(dict.fromkeys(category for _, category in rows))[:INTENTS_FIRST]
        first = [row for row in rows if row[1] in first_intents]
        random.Random(3).shuffle(first)
        rows = first + [row for row in rows if row[1] not in first_intents]
        table = Dataset.from_dict(
            {
                "text": [text for text, _ in rows],
                "label": [intents.index(category) for _, category in rows],
            }
        )
        table = table.cast_column("label", ClassLabel(names=intents))
        table.to_parquet(str(target / f"{split}.parquet"))


if __name__ == "__main__":
    import sys

    print(build(Path(sys.argv[1])))
