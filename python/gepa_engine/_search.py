"""The loop: the engine decides what comes next, this thread carries it out."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import traceback
from typing import Any

from ._events import Events
from ._generation import Generation
from ._journaled import text_of
from ._native import Session, read_table
from ._options import HELD_OUT_IDS, SPARE_EXAMPLES, VALIDATION_IDS, Examples, Options
from ._result import GEPAResult
from ._resuming import Rebuilt
from ._spending import LimitReached, ModelMeter, SpentLimits, spent_of
from ._state import SearchState, ValsetScores
from ._stop import metric_calls_limit
from ._task import as_numbers, checked, named

STORE_FILE = "gepa_engine.db"
RUN_NAME = "run"
STOPPED = "a stop condition of the caller was reached"


class Search:
    """One call of `optimize`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.train = Examples(options.train, 0)
        shared = options.val is options.train
        # A policy of the user's may ask for examples that its loader gets later.
        spare = 0 if options.evaluation_policy is None else SPARE_EXAMPLES
        self.val = self.train if shared else Examples(options.val, VALIDATION_IDS, spare)
        if not len(self.train) or not len(self.val):
            raise ValueError("the training set and the validation set need at least one example each")
        self.held_out = None if options.held_out is None else Examples(options.held_out, HELD_OUT_IDS)
        components = list(options.seed_candidate)
        self.state = SearchState(options.frontier_type, options.track_best_outputs, components)
        self.session: Session
        self.generation: Generation
        self.held_out_scores: list[dict[str, Any]] = []
        #: What the engine decided along with the seed, where it does not wait for requests.
        self.early_decisions: list[tuple[Any, ...]] = []
        self._stop_requested = False
        self._has_ended = False
        self._progress: Any = None
        self.meter = ModelMeter(options.model)
        self._limits = SpentLimits(options.spent_limits, 0.0)
        self._limit_reached: tuple[str, str] | None = None

    @property
    def events(self) -> Events:
        """The callbacks."""
        return self.options.events

    def log(self, message: str) -> None:
        """Tells the logger."""
        self.options.logger.log(message)

    def request_stop(self) -> None:
        """Ends the run before the next iteration."""
        self._stop_requested = True

    def run(self) -> SearchState:
        """Runs to the end. What was paid for is stored even if an exception ends it."""
        try:
            self._open_progress()
            self._begin()
            self._loop()
            self._end()
        except BaseException as error:
            self._leave(error)
            raise
        finally:
            if self._progress is not None:
                self._progress.close()
            if hasattr(self, "session"):
                self.session.release()
        return self.state

    def result(self, str_candidate_key: str | None = None) -> GEPAResult:
        """The result as it stands."""
        options = self.options
        result = self.state.result(options.run_dir, options.seed, str_candidate_key)
        reason = self.session.stop_reason
        object.__setattr__(result, "run_id", self.session.run_id)
        object.__setattr__(result, "store", store_of(options))
        detail = self._limit_reached or reason
        object.__setattr__(result, "stop_reason", detail[1] if detail else None)
        object.__setattr__(result, "held_out", self.held_out_scores or None)
        return result

    # ---- Beginning ---------------------------------------------------------------------------

    def _begin(self) -> None:
        options = self.options
        self.events.tell(
            "on_optimization_start",
            seed_candidate=options.seed_candidate,
            trainset_size=len(self.train),
            valset_size=len(self.val),
            config={
                "perfect_score": options.perfect_score,
                "seed": options.seed,
                "track_best_outputs": options.track_best_outputs,
            },
        )
        if options.run_dir is not None:
            os.makedirs(options.run_dir, exist_ok=True)
        self.generation = Generation(self)
        self.session = Session(
            seed=list(options.seed_candidate.items()),
            train=self.train.numbers,
            pareto=self.val.numbers,
            held_out=[] if self.held_out is None else self.held_out.numbers,
            settings=options.settings(),
            store=store_of(options) or "memory:",
            run_id=_id_of(options),
            policies=self.generation.policies(),
            paced=options.schedule is None,
            journaled=options.is_kept,
            kind="python",
        )
        open_tasks = None
        if self.session.resumed:
            self._has_ended = self.session.finished
            open_tasks = self._rebuild(self.session.history())
            if "seconds" in options.spent_limits:
                self._limits = SpentLimits(options.spent_limits, self._earlier_seconds())
            self.log(
                f"resumed: {len(self.state.program_candidates)} candidates and {self.state.total_num_evals} metric "
                f"calls are known, iteration {self.state.i + 1} was the last"
            )
        self._seed()
        self._hand_adapter_its_state()
        self.state.add_budget_hook(self._tell_budget)
        if open_tasks:
            self._go_on_with(open_tasks)

    def _rebuild(self, history: list[tuple[Any, ...]]) -> list[Any]:
        """Follows a stored run. Returns the tasks of the iteration in which it ended."""
        return Rebuilt(self).take_in(history).open_tasks

    def _seed(self) -> None:
        early, ordered = self.session.step() if not self._has_seed() else ([], [])
        self.early_decisions += early
        orders = [order for order in ordered if order[2] == "seed"]
        for _, trial, _, positions, numbers in orders:
            ids = self.val.ids_of(numbers)
            candidate = self.options.seed_candidate
            batch = checked(self.options.evaluating.one(self.val.fetch(ids), candidate), len(ids))
            scored = self.scores_of(batch, ids)
            self.session.settle(
                trial,
                positions,
                as_numbers(batch.scores),
                named(batch.objective_scores),
                self.texts_of(batch),
                spent_of(batch),
            )
            for decision in self.session.decisions():
                if decision[0] == "accepted":
                    self.state.add(candidate, [], scored, decision[5], 0, self.options.run_dir)
                else:
                    self.early_decisions.append(decision)
            self.state.total_num_evals = len(ids)
            self.state.num_full_ds_evals = 1
            self.commit()
        if not self.state.program_candidates:
            reason = self.session.stop_reason
            raise RuntimeError(f"the seed could not be scored: {reason[1] if reason else 'no score arrived'}")
        mean, count = self.state.get_program_average_val_subset(0)
        if not orders:
            return
        self.log(f"Iteration 0: the seed scores {mean} over {count} of {len(self.val)} validation examples")
        self.track({"val_program_average": mean, "best_score_on_valset": mean, "new_program_idx": 0}, 0)
        self.events.tell(
            "on_valset_evaluated",
            iteration=0,
            candidate_idx=0,
            candidate=self.options.seed_candidate,
            scores_by_val_id=dict(self.state.prog_candidate_val_subscores[0]),
            average_score=mean,
            num_examples_evaluated=count,
            total_valset_size=len(self.val),
            parent_ids=[],
            is_best_program=True,
            outputs_by_val_id=None,
        )

    def _has_seed(self) -> bool:
        return bool(self.state.program_candidates)

    def _go_on_with(self, open_tasks: list[Any]) -> None:
        """Finishes the iteration in which an earlier process ended."""
        accepted = False
        try:
            accepted = self.generation.go_on(open_tasks)
        except LimitReached:
            pass
        except Exception as error:
            self._fail(error)
        finally:
            self._tell_end(accepted)

    # ---- Iterations --------------------------------------------------------------------------

    def _loop(self) -> None:
        state = self.state
        while not self._has_ended and not self._should_stop():
            self._save()
            spent = state.total_num_evals
            state.i += 1
            state.full_program_trace.append({"i": state.i})
            self.events.tell(
                "on_iteration_start",
                iteration=state.i + 1,
                state=state,
                trainset_loader=self.options.train,
            )
            accepted = False
            try:
                accepted = self.generation.run()
            except LimitReached:
                pass
            except Exception as error:
                self._fail(error)
                if state.total_num_evals == spent:
                    # Such an iteration moves no limit, so a run of them would never end.
                    raise
            finally:
                self._tell_end(accepted)
            if self._has_ended and not self.generation.tasks:
                # The engine's own budget did not cover another iteration, so this one never began.
                state.i -= 1
                state.full_program_trace.pop()
            if self._progress is not None:
                self._progress.update(state.total_num_evals - self._progress.n)

    def _earlier_seconds(self) -> float:
        rows = read_table(store_of(self.options) or "", self.session.run_id, "statistics")
        return float(rows["total_time_seconds"][0] or 0.0)

    def _should_stop(self) -> bool:
        self.options.evaluating.wait.check()
        stop = self.options.stop
        self._limit_reached = self._limits.reached(self)
        if self._limit_reached is not None:
            return True
        return self._stop_requested or (stop is not None and bool(stop(self.state)))

    def before_step(self) -> None:
        """Stores what was bought, before something else is; ends the iteration if a limit was reached."""
        self.commit()
        self.options.evaluating.wait.check()
        if self._limits.reached(self) is not None:
            raise LimitReached

    def _fail(self, error: Exception) -> None:
        goes_on = not self.options.raise_on_exception
        self.log(f"Iteration {self.state.i + 1}: {type(error).__name__}: {error}")
        self.log("".join(traceback.format_exception(error)))
        self.events.tell("on_error", iteration=self.state.i + 1, exception=error, will_continue=goes_on)
        if not goes_on:
            raise error
        self.generation.abandon(f"{type(error).__name__}: {error}")

    def _tell_end(self, accepted: bool) -> None:
        self.state.total_tokens, self.state.total_cost_usd = self.session.spent
        self.events.tell("on_iteration_end", iteration=self.state.i + 1, state=self.state, proposal_accepted=accepted)

    def _tell_budget(self, total: int, delta: int) -> None:
        limit = metric_calls_limit(self.options.stop)
        self.events.tell(
            "on_budget_updated",
            iteration=self.state.i + 1,
            metric_calls_used=total,
            metric_calls_delta=delta,
            metric_calls_remaining=None if limit is None else max(0, limit - total),
        )

    # ---- Ending ------------------------------------------------------------------------------

    def _end(self) -> None:
        options, state = self.options, self.state
        if not self._has_ended:
            self._limit_reached = self._limit_reached or ("stop_callback", STOPPED)
            if options.run_dir is not None and self.held_out is None:
                # The same folder with a greater limit goes on, so the journal stays open.
                self.session.interrupt(self._limit_reached[1])
            else:
                self.session.stop(*self._limit_reached)
        self._score_held_out()
        self._save(is_last=True)
        best = self.best()
        self.events.tell(
            "on_optimization_end",
            best_candidate_idx=best,
            total_iterations=state.i,
            total_metric_calls=state.total_num_evals,
            final_state=state,
        )
        if options.tracker is not None:
            summary: dict[str, Any] = {
                "best_candidate_idx": best,
                "best_valset_score": self.score_of(best),
                "total_iterations": state.i,
                "total_candidates": len(state.program_candidates),
            }
            for name, text in options.seed_candidate.items():
                summary |= {f"seed/{name}": text, f"best/{name}": state.program_candidates[best][name]}
            options.tracker.log_summary(summary)

    def _score_held_out(self) -> None:
        while orders := self.generation.take_orders():
            for _, trial, stage, positions, numbers in orders:
                if self.held_out is None or not stage.startswith("validation"):
                    continue
                ids = self.held_out.ids_of(numbers)
                candidate = self.options.seed_candidate if stage == "validation_baseline" else self._winner()
                batch = checked(self.options.evaluating.one(self.held_out.fetch(ids), candidate), len(ids))
                texts = self.texts_of(batch)
                self.session.settle(trial, positions, as_numbers(batch.scores), None, texts, spent_of(batch))

    def note_end(self, decision: tuple[Any, ...]) -> None:
        """The engine ended the search, or the run."""
        self._has_ended = True
        if decision[0] == "finished":
            for candidate, mean, scores in decision[3]:
                self.held_out_scores.append({"candidate": candidate, "mean": mean, "scores": scores})

    def _winner(self) -> dict[str, str]:
        scores = self.state.program_full_scores_val_set
        others = range(1, len(scores))
        best = max(others, key=lambda idx: scores[idx], default=0)
        return self.state.program_candidates[best]

    def _leave(self, error: BaseException) -> None:
        session = getattr(self, "session", None)
        if session is None:
            return
        try:
            session.interrupt(f"{type(error).__name__}: {error}")
            self._save(is_last=True)
        except Exception as second:
            self.log(f"what was bought last could not be stored: {second}")

    def _save(self, is_last: bool = False) -> None:
        options = self.options
        getter = getattr(options.evaluating.adapter, "get_adapter_state", None)
        if getter is not None:
            self.state.adapter_state = dict(getter())
        self.commit()
        if options.run_dir is not None:
            Rebuilt.write_adapter_state(options.run_dir, self.state.adapter_state)
        if options.on_saved is not None:
            options.on_saved(self.state, is_last)
        if not is_last:
            self.events.tell("on_state_saved", iteration=self.state.i + 1, run_dir=options.run_dir)

    def _hand_adapter_its_state(self) -> None:
        options = self.options
        setter = getattr(options.evaluating.adapter, "set_adapter_state", None)
        if setter is None:
            return
        if self.session.resumed and options.run_dir is not None:
            self.state.adapter_state = Rebuilt.read_adapter_state(options.run_dir)
        setter(self.state.adapter_state)

    # ---- What the steps of an iteration share ------------------------------------------------

    def commit(self) -> None:
        """Stores what was bought. A journal in memory without a name cannot be read again, so it is not written."""
        if self.options.is_kept:
            self.session.commit()

    def best(self) -> int:
        """The best candidate, by the evaluation policy if there is one."""
        policy = self.options.evaluation_policy
        if policy is not None:
            return int(policy.get_best_program(self.state))
        return self.state.best_idx

    def score_of(self, idx: int) -> float:
        """A candidate's score, by the evaluation policy if there is one."""
        policy = self.options.evaluation_policy
        if policy is not None:
            return float(policy.get_valset_score(idx, self.state))
        return self.state.get_program_average_val_subset(idx)[0]

    def scores_of(self, batch: Any, ids: list[Any]) -> ValsetScores:
        """An evaluation by example id."""
        scored = ValsetScores()
        scored.scores = dict(zip(ids, batch.scores, strict=True))
        scored.outputs = dict(zip(ids, batch.outputs, strict=True))
        if batch.objective_scores:
            scored.objectives = {
                one: dict(values or {}) for one, values in zip(ids, batch.objective_scores, strict=True)
            }
        return scored

    def texts_of(self, batch: Any) -> list[str | None] | None:
        """The outputs as the journal keeps them."""
        return [text_of(output) for output in batch.outputs] if self.options.is_kept else None

    def track(self, metrics: dict[str, Any], step: int) -> None:
        """Sends figures to the tracker, if there is one."""
        if self.options.tracker is not None:
            metrics["total_metric_calls"] = self.state.total_num_evals
            self.options.tracker.log_metrics(metrics, step=step)

    def _open_progress(self) -> None:
        if not self.options.display_progress_bar:
            return
        try:
            tqdm = importlib.import_module("tqdm.auto").tqdm
        except ImportError as error:
            raise ImportError("display_progress_bar=True needs tqdm: pip install tqdm") from error
        self._progress = tqdm(total=metric_calls_limit(self.options.stop), desc="GEPA", unit="rollouts")


def store_of(options: Options) -> str | None:
    """The URL of the store that a search writes to; `None` for memory."""
    if options.store is not None:
        return options.store
    if options.run_dir is not None:
        return f"sqlite://{os.path.abspath(os.path.join(options.run_dir, STORE_FILE))}"
    return None


def _id_of(options: Options) -> str | None:
    """The run's id in its store: one that was given, or one made of a name. `None` for a new one."""
    name = options.run_id or (RUN_NAME if options.run_dir is not None else None)
    return None if name is None else id_of_name(name)


def id_of_name(name: str) -> str:
    """The id that a store knows a run by, which may be given in the place of its name."""
    if re.fullmatch("pl_[0-9a-f]{16,64}", name):
        return name
    return f"pl_{hashlib.sha256(name.encode()).hexdigest()[:24]}"
