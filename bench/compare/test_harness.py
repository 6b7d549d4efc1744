"""The arithmetic between what is observed and what is claimed."""

from __future__ import annotations

import unittest

import numpy as np

from harness.curves import CALLS, SECONDS, at, seconds_until, with_derived
from harness.observed import Candidate
from harness.record import BINS, points, utilisation
from harness.statistics import estimate, paired

WORTH = {"seed": 0.3, "better": 0.5, "lucky": 0.4}
POLICY = np.array([(0.0, 100.0), (0.0, 200.0), (200.0, 300.0), (200.0, 400.0)])
BOOKS = [(0, 0), (2, 200), (4, 1000)]


def worth(text: str) -> dict[str, float]:
    return {"test": WORTH[text], "pareto": WORTH[text] + 0.1}


def record(test_points: list[tuple[float, int, float]], **fields: object) -> dict[str, object]:
    """A record whose points are (seconds, calls, test score)."""
    rows = [[seconds, calls, 0.0, test, test, test] for seconds, calls, test in test_points]
    world = {"family": "additive", "seed": 0, "pareto": 50, "slots": 16}
    budget = {"budget": 100, "seconds": None, "policy_calls": 110, "wall_seconds": 9.0}
    return {**world, **budget, "points": rows, **fields}


class Points(unittest.TestCase):
    def found(self, candidates: list[Candidate]) -> list[list[float | None]]:
        return points(candidates, 1_000.0, POLICY, BOOKS, worth, "seed")

    def test_before_the_first_call_the_result_is_the_seed_prompt(self) -> None:
        self.assertEqual(self.found([]), [[0.0, 0, 0, None, 0.3, 0.4]])

    def test_only_what_the_optimizer_saw_decides_which_candidate_is_best(self) -> None:
        seen = [
            Candidate(1_200.0, 0.2, "seed"),
            Candidate(1_300.0, 0.6, "lucky"),
            Candidate(1_400.0, 0.5, "better"),
        ]
        self.assertEqual([point[4] for point in self.found(seen)], [0.3, 0.3, 0.4])

    def test_an_equal_score_does_not_replace_the_earlier_candidate(self) -> None:
        seen = [Candidate(1_200.0, 0.5, "better"), Candidate(1_400.0, 0.5, "lucky")]
        self.assertEqual(self.found(seen)[-1][4], 0.5)

    def test_calls_are_those_that_had_ended_and_tokens_those_booked_with_them(self) -> None:
        (_, second) = self.found([Candidate(1_300.0, 0.5, "better")])
        self.assertEqual(second[:3], [0.3, 3, 600.0])


class Utilisation(unittest.TestCase):
    def test_its_mean_is_the_time_slots_were_busy(self) -> None:
        shares = utilisation(POLICY, 400.0, 2)
        self.assertEqual(len(shares), BINS)
        self.assertAlmostEqual(float(np.mean(shares)), 600.0 / 400.0 / 2, places=3)

    def test_a_run_without_calls_has_none(self) -> None:
        self.assertEqual(utilisation(np.array([]), 0.0, 2), [])


class Curves(unittest.TestCase):
    def test_a_result_holds_from_its_moment_on(self) -> None:
        values = at(record([(0.0, 0, 0.3), (2.0, 40, 0.5)]), CALLS, np.array([0, 39, 40, 500]))
        self.assertEqual(list(values), [0.3, 0.3, 0.5, 0.5])

    def test_what_calls_beyond_the_budget_bought_is_left_out(self) -> None:
        derived = with_derived(record([(0.0, 0, 0.3), (2.0, 105, 0.5)]))
        self.assertEqual(derived["test_at_100"], 0.3)
        self.assertAlmostEqual(derived["overshoot"], 10.0)

    def test_where_time_is_the_budget_calls_are_none(self) -> None:
        timed = record([(0.0, 0, 0.3), (2.0, 105, 0.5)], seconds=4.0)
        self.assertEqual(with_derived(timed)["test_at_50"], 0.5)
        self.assertEqual(list(at(timed, SECONDS, np.array([1.9]))), [0.3])

    def test_a_score_that_is_never_reached_takes_no_time(self) -> None:
        run = record([(0.0, 0, 0.3), (2.0, 40, 0.5)])
        self.assertEqual(seconds_until(run, 0.5), 2.0)
        self.assertIsNone(seconds_until(run, 0.6))


class Statistics(unittest.TestCase):
    def test_families_count_alike_however_many_seeds_they_have(self) -> None:
        self.assertAlmostEqual(estimate({"a": [0.0, 0.0, 0.0], "b": [1.0]}).mean, 0.5)

    def test_an_interval_holds_its_mean_and_narrows_with_more_seeds(self) -> None:
        few, many = estimate({"a": [0.0, 1.0] * 3}), estimate({"a": [0.0, 1.0] * 50})
        self.assertTrue(few.low < few.mean < few.high)
        self.assertLess(many.high - many.low, few.high - few.low)

    def test_only_runs_on_the_same_world_are_paired(self) -> None:
        left = [record([], final_test=0.5), record([], final_test=0.9, seed=1)]
        right = [record([], final_test=0.4), record([], final_test=0.1, seed=2)]
        (difference,) = paired(left, right, "final_test")["additive"]
        self.assertAlmostEqual(difference, 0.1)


if __name__ == "__main__":
    unittest.main()
