"""A callback that makes OpenTelemetry spans of a run, through the package `opentelemetry` of the program.

`optimize(..., callbacks=[OpenTelemetryCallback()])`. The names are those of the spans of the command `gepa`. A span of
the program that is open becomes the parent of `gepa.run`. What adapters and proposers call within an iteration, such
as instrumented clients of models, becomes a part of its span.
"""

from __future__ import annotations

import importlib
from collections import deque
from typing import Any


class OpenTelemetryCallback:
    """Spans of the run, its iterations, evaluations and proposals."""

    def __init__(self, tracer: Any = None, model: str | None = None) -> None:
        """`tracer` is that of the program's provider if absent; `model` is the reflection model's name, for spans."""
        try:
            self._trace: Any = importlib.import_module("opentelemetry.trace")
            self._context: Any = importlib.import_module("opentelemetry.context")
        except ImportError as error:
            raise ImportError("spans need the package opentelemetry: pip install opentelemetry-sdk") from error
        self._tracer = tracer or self._trace.get_tracer("gepa")
        self._model = model
        self._run: Any = None
        self._iterations: dict[int, Any] = {}
        #: Makes the span of an iteration the present one, while no other iteration is open.
        self._token: Any = None
        self._evaluations: deque[Any] = deque()
        self._proposals: deque[Any] = deque()
        self._spent = (0, 0.0)

    def on_optimization_start(self, event: Any) -> None:
        """Begins the span of the run."""
        self._run = self._tracer.start_span(
            "gepa.run",
            attributes={
                "gepa.train_examples": event["trainset_size"],
                "gepa.pareto_examples": event["valset_size"],
            },
        )

    def on_iteration_start(self, event: Any) -> None:
        """Begins the span of an iteration."""
        number = event["iteration"]
        self._iterations[number] = self._begin("gepa.iteration", self._run, {"gepa.iteration": number})
        if len(self._iterations) == 1:
            self._token = self._context.attach(self._within(self._iterations[number]))

    def on_evaluation_start(self, event: Any) -> None:
        """Begins the span of an evaluation."""
        parents = ",".join(map(str, event["parent_ids"]))
        attributes = {"gepa.examples": event["batch_size"], "gepa.parents": parents}
        if event["candidate_idx"] is not None:
            attributes["gepa.candidate.index"] = event["candidate_idx"]
        self._evaluations.append(self._begin("gepa.evaluation", self._iteration_of(event), attributes))

    def on_evaluation_end(self, event: Any) -> None:
        """Ends it with its scores."""
        if not self._evaluations:
            return
        span = self._evaluations.popleft()
        for score in event["scores"]:
            named = {"gen_ai.evaluation.name": "score", "gen_ai.evaluation.score.value": float(score)}
            span.add_event("gen_ai.evaluation.result", named)
        span.end()

    def on_proposal_start(self, event: Any) -> None:
        """Begins the span of a proposal."""
        attributes = {"gepa.component": ",".join(event["components"])}
        if self._model is not None:
            attributes |= {"gen_ai.operation.name": "chat", "gen_ai.request.model": self._model}
        name = "gepa.proposal" if self._model is None else f"chat {self._model}"
        self._proposals.append(self._begin(name, self._iteration_of(event), attributes))

    def on_proposal_end(self, event: Any) -> None:
        """Ends it."""
        if self._proposals:
            self._proposals.popleft().end()

    def on_valset_evaluated(self, event: Any) -> None:
        """Notes the score of a candidate."""
        span = self._iterations.get(event["iteration"], self._run)
        attributes = {"gepa.candidate.index": event["candidate_idx"], "gepa.score": event["average_score"]}
        if span is self._run:
            span.add_event("gepa.seed", attributes)
        else:
            span.set_attributes({**attributes, "gepa.outcome": "accepted"})

    def on_candidate_rejected(self, event: Any) -> None:
        """Notes why a child was rejected."""
        self._iteration_of(event).set_attribute("gepa.outcome", event["reason"])

    def on_error(self, event: Any) -> None:
        """Notes an exception."""
        span = self._iterations.get(event["iteration"], self._run)
        span.record_exception(event["exception"])
        span.set_status(self._trace.StatusCode.ERROR, str(event["exception"]))
        if not event["will_continue"]:
            self._end_all()

    def on_iteration_end(self, event: Any) -> None:
        """Ends the span of an iteration, with what was used in it."""
        span = self._iterations.pop(event["iteration"], None)
        if span is None:
            return
        tokens, dollars = event["state"].total_tokens, event["state"].total_cost_usd
        span.set_attributes({"gepa.tokens": tokens - self._spent[0], "gepa.cost_usd": dollars - self._spent[1]})
        self._spent = (tokens, dollars)
        self._end_steps()
        self._detach()
        span.end()

    def on_optimization_end(self, event: Any) -> None:
        """Ends the span of the run."""
        self._run.set_attribute("gepa.best_candidate.index", event["best_candidate_idx"])
        self._end_all()

    def _end_all(self) -> None:
        self._end_steps()
        self._detach()
        while self._iterations:
            self._iterations.popitem()[1].end()
        self._run.end()

    def _end_steps(self) -> None:
        """Ends steps that were given up, where no other iteration can be within one."""
        if self._iterations:
            return
        for span in (*self._evaluations, *self._proposals):
            span.end()
        self._evaluations.clear()
        self._proposals.clear()

    def _detach(self) -> None:
        if self._token is not None:
            self._context.detach(self._token)
            self._token = None

    def _iteration_of(self, event: Any) -> Any:
        return self._iterations.get(event["iteration"], self._run)

    def _begin(self, name: str, parent: Any, attributes: dict[str, Any]) -> Any:
        return self._tracer.start_span(name, context=self._within(parent), attributes=attributes)

    def _within(self, span: Any) -> Any:
        return self._trace.set_span_in_context(span)
