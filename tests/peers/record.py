"""Records runs of the reference implementation (`gepa` from PyPI) in random integer worlds.

    tests/.venv/bin/python tests/peers/record.py DIRECTORY FIRST COUNT

writes COUNT recordings, numbered from FIRST, that `cargo test -p gepa-engine conformance` reads from
GEPA_CONFORMANCE_DIR. World and format are those of the recordings in ../shared/conformance; each
iteration holds what the reference itself tells at its end (calls, words drawn, fronts, pool), so the
headers say `partial`. Where the reference iterates over sets, the order is made ascending.
"""

import json
import random
import struct
import sys
from pathlib import Path

import gepa.api
import gepa.gepa_utils
import gepa.proposer.merge
from gepa.core.adapter import EvaluationBatch
from gepa.strategies import proposal_sampling, proposal_selection

MASK = (1 << 64) - 1


def mix(value):
    stepped = (value + 0x9E3779B97F4A7C15) & MASK
    first = ((stepped ^ (stepped >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    second = ((first ^ (first >> 27)) * 0x94D049BB133111EB) & MASK
    return second ^ (second >> 31)


def genes(text):
    return int(text[1:])


def bits(value):
    return struct.pack(">d", value).hex()


class World:
    """What a candidate scores, and what the proposer makes of it."""

    def __init__(self, parameters):
        self.__dict__.update(parameters)

    def hash(self, *arguments):
        value = mix(self.seed)
        for argument in arguments:
            value = mix(value ^ (argument & MASK))
        return value

    def target(self, component, gene):
        return self.hash(1, component, gene) & 15

    def numerator(self, genotypes, key, channel=0):
        total, nibbles = 0, []
        for slot in range(4):
            drawn = self.hash(2, key, channel, slot)
            component, gene = drawn % len(genotypes), (drawn >> 8) & 15
            target = self.target(component, gene)
            if (drawn >> 16) & 3 == 0:
                target ^= (drawn >> 20) & 15
            nibbles.append((genotypes[component] >> (4 * gene)) & 15)
            total += 4 - (nibbles[-1] ^ target).bit_count()
        noise = self.hash(5, key, channel, *nibbles)
        total += noise % (self.rug + 1)
        if self.mode == "binary":
            return int(total >= self.base + self.hash(4, key, channel) % 5)
        if self.mode == "quarter":
            return 0 if total < self.base else min(4, (total - self.base) // 2)
        return (total << 44) + (noise >> 20)

    def score(self, genotypes, key, channel=0):
        denominator = {"binary": 1, "quarter": 4, "double": 25 * 2**44}[self.mode]
        return self.numerator(genotypes, key, channel) / denominator

    def objective_scores(self, genotypes, key):
        return {
            name: self.score(genotypes, key, 1 + at)
            for at, name in enumerate(self.objectives)
            if not (self.obj_sparse and at >= 1 and self.hash(9, key, at) & 3 == 0)
        }

    def rewrite(self, component, text, keys):
        """The new text, or None; raises where the whole task fails."""
        value = genes(text)
        base = state = self.hash(6, component, value, *keys)
        if self.quirks & 2 and base >> 60 == 1:
            raise RuntimeError("the proposer fails")
        if self.quirks & 1 and base >> 60 == 0:
            return None
        for _ in range(self.min_changes + (base >> 8) % self.span_changes):
            state = mix(state)
            gene = state & 15
            guided = (state >> 8) % 100 < self.guide
            nibble = self.target(component, gene) if guided else (state >> 20) & 15
            value = (value & ~(15 << (4 * gene))) | (nibble << (4 * gene))
        return f"g{value}"


class Adapter:
    """The world behind the reference's adapter protocol."""

    def __init__(self, world, components):
        self.world, self.components = world, components

    def evaluate(self, batch, candidate, capture_traces=False):
        world, keys = self.world, list(batch)
        genotypes = [genes(candidate[name]) for name in self.components]
        traces = [{} for _ in keys] if capture_traces else None
        if capture_traces and world.quirks & 4 and world.hash(7, *genotypes, *keys) >> 60 == 0:
            traces = []
        calls = None
        if world.quirks & 8:
            calls = len(keys) + world.hash(8, *genotypes, *keys) % 3
        objectives = [world.objective_scores(genotypes, key) for key in keys]
        return EvaluationBatch(
            outputs=keys,
            scores=[world.score(genotypes, key) for key in keys],
            trajectories=traces,
            objective_scores=objectives if world.objectives else None,
            num_metric_calls=calls,
        )

    def make_reflective_dataset(self, candidate, evaluated, components):
        return {name: [{"key": key} for key in evaluated.outputs] for name in components}

    def propose_new_texts(self, candidate, dataset, components):
        texts = {}
        for name in components:
            keys = [record["key"] for record in dataset[name]]
            text = self.world.rewrite(self.components.index(name), candidate[name], keys)
            if text is not None:
                texts[name] = text
        return texts


class Loader:
    """Examples by id; an example is its key."""

    def __init__(self, ids, key):
        self.ids, self.key = ids, key

    def all_ids(self):
        return list(self.ids)

    def fetch(self, ids):
        return [self.key(one) for one in ids]

    def __len__(self):
        return len(self.ids)


class CountingRandom(random.Random):
    """Counts the 32-bit words drawn."""

    words = 0

    def random(self):
        self.words += 2
        return super().random()

    def getrandbits(self, count):
        self.words += (count + 31) // 32
        return super().getrandbits(count)


class AscendingSet(set):
    def __iter__(self):
        return iter(sorted(super().__iter__()))

    def __and__(self, other):
        return AscendingSet(super().__and__(other))


def survivors(fronts, scores):
    """Fronts without the programs that every front of theirs can do without, worst first."""
    memberships = {}
    for key, front in fronts.items():
        for program in sorted(front):
            memberships.setdefault(program, []).append(key)
    left = {key: set(front) for key, front in fronts.items()}
    for program in sorted(memberships, key=lambda one: scores[one]):
        if all(len(left[key]) > 1 for key in memberships[program]):
            for key in memberships[program]:
                left[key].discard(program)
    return {key: sorted(front) for key, front in left.items()}


def surviving_programs(fronts, scores):
    return sorted({one for front in survivors(fronts, scores).values() for one in front})


gepa.gepa_utils.remove_dominated_programs = survivors
gepa.proposer.merge.find_dominator_programs = surviving_programs
gepa.proposer.merge.set = AscendingSet


def is_reached(condition, state, memory, path):
    kind, limit = condition
    best = max(state.program_full_scores_val_set)
    if kind == "no_improvement":
        seen = memory.setdefault(path, [float("-inf"), 0])
        seen[:] = [best, 0] if best > seen[0] else [seen[0], seen[1] + 1]
        return seen[1] >= limit
    if kind == "all_of":
        return all(is_reached(one, state, memory, (*path, at)) for at, one in enumerate(limit))
    reached = {
        "iterations": state.i + 1,
        "metric_calls": state.total_num_evals,
        "score_threshold": best,
        "tracked_candidates": len(state.program_candidates),
    }
    return reached[kind] >= limit


def named_fronts(state, kind):
    def name(key):
        if kind == "instance":
            return f"v{key}"
        if kind == "objective":
            return f"o{key}"
        if kind == "cartesian":
            return f"c{key[-2]}/{key[-1]}"
        return f"v{key[1]}" if key[0] == "val_id" else f"o{key[1]}"

    return [[name(key), sorted(ids)] for key, ids in state.get_pareto_front_mapping().items()]


def digest(fronts):
    value = 0xCBF29CE484222325
    for name, ids in fronts:
        for byte in f"{name}:{','.join(map(str, ids))};".encode():
            value = ((value ^ byte) * 0x100000001B3) & MASK
    return f"{value:016x}"


class Recorder:
    """A stop condition that writes down how things stand whenever it is asked."""

    def __init__(self, config):
        self.config, self.memory = config, {}
        self.iterations, self.generator, self.state, self.stop = [], None, None, None

    def new_generator(self, seed):
        self.generator = CountingRandom(seed)
        return self.generator

    def log(self, *_):
        pass

    def __call__(self, state):
        self.state = state
        if len(self.iterations) < state.i + 1:
            fronts = named_fronts(state, self.config["frontier"])
            self.iterations.append({
                "i": state.i + 1,
                "calls": state.total_num_evals,
                "w": self.generator.words,
                "front": digest(fronts),
                "N": len(state.program_candidates),
            })
        for at, condition in enumerate(self.config["stops"]):
            if is_reached(condition, state, self.memory, (at,)):
                self.stop = condition
                return True
        return False

    def footer(self, components):
        state = self.state
        means = [sum(row.values()) / len(row) for row in state.prog_candidate_val_subscores]
        parents = state.parent_program_for_candidate
        return {
            "type": "footer",
            "best_idx": means.index(max(means)),
            "iterations": state.i + 1,
            "calls": state.total_num_evals,
            "full_val_evals": state.num_full_ds_evals,
            "means": [bits(mean) for mean in means],
            "parents": [[one for one in row if one is not None] for row in parents],
            "discovery": state.num_metric_calls_by_discovery,
            "cursors": state.named_predictor_id_to_update_next_for_program_candidate,
            "candidates": [[one[name] for name in components] for one in state.program_candidates],
            "stop": self.stop,
            "front": named_fronts(state, self.config["frontier"]),
            "rng_words": self.generator.words,
        }


def random_header(number):
    draw = random.Random(f"recording {number}")
    pick = draw.choice
    count = pick([1, 1, 2, 3, 4])
    components = draw.sample(["retrieve", "answer", "verify", "format", "critic", "plan"], count)
    objectives = pick([[], [], ["quality", "brevity"], ["zeta", "alpha", "mid"]])
    mode, shared = pick(["binary", "quarter", "double"]), draw.random() < 0.3
    train = [pick([0, 1000]) + at for at in range(pick([1, 2, 5, 7, 16, 21]))]
    val = train if shared else [100_000 + at for at in range(pick([2, 3, 6, 15, 25, 40]))]
    for ids in (train, val):
        if draw.random() < 0.5:
            draw.shuffle(ids)
    few = lambda: draw.randint(1, 4)
    stops = [["metric_calls", pick([150, 400, 900, 1800])]]
    further = pick([
        None,
        None,
        ["iterations", pick([5, 20, 60])],
        ["no_improvement", pick([3, 6, 12])],
        ["tracked_candidates", pick([3, 8])],
        ["score_threshold", pick([0.5, 0.625, 0.75])],
        ["all_of", [["no_improvement", 3], ["iterations", 10]]],
    ])
    if further:
        stops.insert(draw.randint(0, 1), further)
    selectors = ["pareto", "pareto", "current_best", "epsilon_greedy", "top_k_pareto"]
    frontiers = ["instance", "objective", "hybrid", "cartesian"] if objectives else ["instance"]
    config = {
        "selector": pick(selectors),
        "frontier": pick(frontiers),
        "acceptance": pick(["strict_improvement", "improvement_or_equal"]),
        "module_selector": pick(["round_robin", "round_robin", "all"]),
        "minibatch": few(),
        "sampling": pick([
            ["single"],
            ["single"],
            ["same_parent", few()],
            ["independent", few()],
            ["pxn", draw.randint(1, 3), draw.randint(1, 3)],
        ]),
        "selection": pick([["all"], ["all"], ["best"], ["top_k", draw.randint(1, 3)]]),
        "cache": draw.random() < 0.5,
        "skip_perfect_score": draw.random() < 0.5,
        "perfect_score": pick([1.0, 0.75, 0.5]),
        "use_merge": draw.random() < 0.6,
        "max_merge_invocations": pick([1, 2, 5, 20]),
        "merge_val_overlap_floor": pick([1, 2, 5]),
        "shared_valset": shared,
        "seed": draw.getrandbits(pick([3, 31, 40, 64])),
        "stops": stops,
    }
    world = {
        "seed": draw.getrandbits(64),
        "mode": mode,
        "base": pick([9, 10, 11]) if mode == "binary" else pick([6, 8]),
        "rug": pick([0, 2, 4]),
        "guide": pick([30, 60, 90]),
        "min_changes": 1,
        "span_changes": pick([1, 3, 7]),
        "objectives": objectives,
        "obj_sparse": draw.randint(0, 1) if objectives else 0,
        "quirks": pick([0, 0, 0, 4, 7, 8, 12, 15]),
        "val_space": 0 if shared else 1,
    }
    return {
        "type": "header",
        "name": f"fresh_{number:05}",
        "format": 1,
        "partial": True,
        "config": config,
        "world": world,
        "components": components,
        "seed_candidate": [f"g{draw.getrandbits(64)}" for _ in components],
        "train_ids": train,
        "val_ids": val,
    }


def record(number):
    header = random_header(number)
    config, world = header["config"], World(header["world"])
    components, val_ids = header["components"], header["val_ids"]
    key = lambda one: one + (world.val_space << 32)
    train = Loader(header["train_ids"], lambda one: one)
    genotypes = [genes(text) for text in header["seed_candidate"]]
    header["seed_val"] = [world.numerator(genotypes, key(one)) for one in val_ids]
    scores = [world.score(genotypes, key(one)) for one in val_ids]
    header["seed_mean"] = bits(sum(scores) / len(scores))
    samplings = {
        "single": proposal_sampling.SingleMutationSampling,
        "same_parent": proposal_sampling.SameParentSampling,
        "independent": proposal_sampling.IndependentSampling,
        "pxn": proposal_sampling.PxNSampling,
    }
    selections = {
        "all": proposal_selection.AllImprovements,
        "best": proposal_selection.BestImprovement,
        "top_k": proposal_selection.TopKImprovements,
    }
    recorder = Recorder(config)
    gepa.api.random = type("Generators", (), {"Random": staticmethod(recorder.new_generator)})
    gepa.api.optimize(
        seed_candidate=dict(zip(components, header["seed_candidate"])),
        trainset=train,
        valset=train if config["shared_valset"] else Loader(val_ids, key),
        adapter=Adapter(world, components),
        candidate_selection_strategy=config["selector"],
        frontier_type=config["frontier"],
        skip_perfect_score=config["skip_perfect_score"],
        perfect_score=config["perfect_score"],
        reflection_minibatch_size=config["minibatch"],
        module_selector=config["module_selector"],
        use_merge=config["use_merge"],
        max_merge_invocations=config["max_merge_invocations"],
        merge_val_overlap_floor=config["merge_val_overlap_floor"],
        stop_callbacks=recorder,
        logger=recorder,
        cache_evaluation=config["cache"],
        seed=config["seed"],
        acceptance_criterion=config["acceptance"],
        sampling_strategy=samplings[config["sampling"][0]](*config["sampling"][1:]),
        selection_strategy=selections[config["selection"][0]](*config["selection"][1:]),
        track_best_outputs=False,
    )
    if world.objectives:
        means = recorder.state.prog_candidate_objective_scores[0]
        header["seed_obj"] = {name: bits(mean) for name, mean in means.items()}
    return [header, *recorder.iterations, recorder.footer(components)]


def main():
    directory, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for number in range(first, first + count):
        try:
            lines = record(number)
        except ValueError as error:
            # The reference cannot merge over ancestors that all scored nothing.
            if "weights" not in str(error):
                raise
            continue
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (directory / f"fresh_{number:05}.jsonl").write_text(text)


if __name__ == "__main__":
    main()
