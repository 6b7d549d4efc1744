"""The integer world of the recorded runs: scores and rewrites as functions of 64-bit numbers."""

from __future__ import annotations

from typing import Any

import gepa_engine

MASK = (1 << 64) - 1


def mix(x: int) -> int:
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class World:
    """Judges and rewrites texts of the form `g` and a number."""

    def __init__(self, world: dict[str, Any], components: list[str]) -> None:
        self.world = world
        self.components = components
        self.denominator = {"binary": 1, "quarter": 4, "double": 25 << 44}[world["mode"]]

    def hash(self, *arguments: int) -> int:
        h = mix(self.world["seed"])
        for one in arguments:
            h = mix(h ^ (one & MASK))
        return h

    def target(self, component: int, gene: int) -> int:
        return self.hash(1, component, gene) & 15

    def numerator(self, genes: list[int], key: int, channel: int) -> int:
        nibbles, total = [], 0
        for slot in range(4):
            h = self.hash(2, key, channel, slot)
            component, gene = h % len(self.components), (h >> 8) & 15
            target = self.target(component, gene)
            if (h >> 16) & 3 == 0:
                target ^= (h >> 20) & 15
            nibble = (genes[component] >> (4 * gene)) & 15
            nibbles.append(nibble)
            total += 4 - bin(nibble ^ target).count("1")
        e = self.hash(5, key, channel, *nibbles)
        total += e % (self.world["rug"] + 1)
        base = self.world["base"]
        if self.world["mode"] == "binary":
            return int(total >= base + self.hash(4, key, channel) % 5)
        if self.world["mode"] == "quarter":
            return 0 if total < base else min(4, (total - base) // 2)
        return (total << 44) + (e >> 20)

    def score(self, genes: list[int], key: int) -> float:
        return self.numerator(genes, key, 0) / self.denominator

    def objectives(self, genes: list[int], key: int) -> dict[str, float]:
        named = {}
        for at, name in enumerate(self.world["objectives"]):
            if self.world["obj_sparse"] == 1 and at >= 1 and self.hash(9, key, at) & 3 == 0:
                continue
            named[name] = self.numerator(genes, key, 1 + at) / self.denominator
        return named

    def rewrite(self, component: int, text: int, keys: list[int]) -> int | str:
        b = self.hash(6, component, text, *keys)
        quirks = self.world["quirks"]
        if quirks & 2 and b >> 60 == 1:
            return "fail"
        if quirks & 1 and b >> 60 == 0:
            return "nothing"
        s, g = b, text
        for _ in range(self.world["min_changes"] + (b >> 8) % self.world["span_changes"]):
            s = mix(s)
            gene = s & 15
            nibble = self.target(component, gene) if (s >> 8) % 100 < self.world["guide"] else (s >> 20) & 15
            g = (g & ~(15 << (4 * gene)) & MASK) | (nibble << (4 * gene))
        return g


class Loader:
    """Examples are their keys; ids are those of the recording."""

    def __init__(self, ids: list[int], space: int) -> None:
        self.ids, self.space = ids, space

    def all_ids(self) -> list[int]:
        return list(self.ids)

    def fetch(self, ids: list[int]) -> list[tuple[str, int]]:
        return [("val" if self.space else "train", one + (self.space << 32)) for one in ids]

    def __len__(self) -> int:
        return len(self.ids)


class Adapter:
    """The adapter of a recording, proposer included."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.minibatch = False

    def _genes(self, candidate: dict[str, str]) -> list[int]:
        return [int(text[1:]) for text in candidate.values()]

    def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
        genes, keys = self._genes(candidate), [key for _, key in batch]
        quirks, world = self.world.world["quirks"], self.world
        objectives = [world.objectives(genes, key) for key in keys] if world.world["objectives"] else None
        trajectories: list[Any] | None = list(keys)
        if quirks & 4 and self.minibatch and world.hash(7, *genes, *keys) >> 60 == 0:
            trajectories = []
        calls = None
        if quirks & 8 and self.minibatch:
            calls = len(keys) + world.hash(8, *genes, *keys) % 3
        return gepa_engine.EvaluationBatch(
            outputs=list(keys),
            scores=[world.score(genes, key) for key in keys],
            trajectories=trajectories,
            objective_scores=objectives,
            num_metric_calls=calls,
        )

    def make_reflective_dataset(self, candidate: Any, batch: Any, components: list[str]) -> Any:
        return {name: [{"key": key} for key in batch.trajectories] for name in components}

    def propose_new_texts(self, candidate: Any, dataset: Any, components: list[str]) -> dict[str, str]:
        texts = {}
        places = sorted((self.world.components.index(name), name) for name in components)
        for place, name in places:
            keys = [record["key"] for record in dataset[name]]
            new = self.world.rewrite(place, int(candidate[name][1:]), keys)
            if new == "fail":
                raise RuntimeError("the recorded proposer raised here")
            if new != "nothing":
                texts[name] = f"g{new}"
        return texts
