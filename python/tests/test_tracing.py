"""Spans of OpenTelemetry."""

from __future__ import annotations

from typing import Any

import pytest
from test_own_features import Adapter, optimized

from gepa_engine.tracing import OpenTelemetryCallback


def spans_of(**options: Any) -> list[Any]:
    provider = pytest.importorskip("opentelemetry.sdk.trace", reason="SKIPPED: opentelemetry-sdk is not installed")
    export: Any = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory: Any = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter, traces = memory.InMemorySpanExporter(), provider.TracerProvider()
    traces.add_span_processor(export.SimpleSpanProcessor(exporter))
    tracer = traces.get_tracer("test")

    class Instrumented(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            with tracer.start_as_current_span("client"):
                if candidate["prompt"] == options.get("fails_at"):
                    raise OSError("no network")
                return super().evaluate(batch, candidate, capture_traces)

    given = {name: value for name, value in options.items() if name != "fails_at"}
    with tracer.start_as_current_span("program"):
        try:
            adapter = Instrumented({"prompt_tokens": 10, "completion_tokens": 5, "cost_usd": 0.001})
            optimized(adapter, callbacks=[OpenTelemetryCallback(tracer, model="m")], **given)
        except OSError:
            assert "fails_at" in options
    return list(exporter.get_finished_spans())


def test_a_run_is_one_trace_with_the_calls_of_its_adapter_inside() -> None:
    spans = spans_of(max_metric_calls=60)
    by_id = {span.context.span_id: span for span in spans}
    parent = {span.name: by_id[span.parent.span_id].name for span in spans if span.parent is not None}
    assert parent["gepa.run"] == "program"
    assert parent["gepa.iteration"] == "gepa.run"
    assert parent["gepa.evaluation"] == parent["chat m"] == parent["client"] == "gepa.iteration"
    assert len({span.context.trace_id for span in spans}) == 1
    iterations = [span for span in spans if span.name == "gepa.iteration"]
    assert {"accepted"} <= {span.attributes.get("gepa.outcome") for span in iterations}
    # The seed's part belongs to no iteration.
    assert sum(span.attributes["gepa.tokens"] for span in iterations) % 15 == 0
    scores = [event for span in spans for event in span.events if event.name == "gen_ai.evaluation.result"]
    assert len(scores) >= 6


def test_an_exception_ends_every_span() -> None:
    spans = spans_of(max_metric_calls=60, fails_at="1")
    assert [span.name for span in spans][-2:] == ["gepa.run", "program"]
    failed = [span for span in spans if span.name == "gepa.iteration" and not span.status.is_ok]
    assert [event.name for event in failed[-1].events] == ["exception"]


def test_several_iterations_at_once_end_every_span() -> None:
    spans = spans_of(schedule="ordered", parallel=4, max_metric_calls=100)
    assert [span.name for span in spans][-2:] == ["gepa.run", "program"]
