//! From events to spans.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use gepa_configs::StoredSettings;
use gepa_engine::record::RunRow;
use gepa_engine::{
    Decision, Event, EventBody, Fact, Outcome, ReflectionSettled, RolloutSettled, Timestamp, Usage,
};
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

/// A model as the conventions name it.
struct Model {
    provider: String,
    name: String,
}

/// The spans of one run that are open.
pub(super) struct Trace {
    tracer: SdkTracer,
    run: Context,
    iterations: BTreeMap<u64, Context>,
    /// The model that answers examples; `None` where a program does.
    policy: Option<Model>,
    /// The model that rewrites; `None` where a program does.
    reflection: Option<Model>,
    last: Timestamp,
}

impl Trace {
    /// Begins the span of the run. `settings` are those that it stored.
    pub(super) fn begin(
        tracer: SdkTracer,
        run: &RunRow,
        settings: Option<&StoredSettings>,
    ) -> Self {
        let attributes = vec![
            KeyValue::new("gepa.run.id", run.run_id.as_str().to_owned()),
            KeyValue::new("gepa.run.name", run.name.clone()),
        ];
        let builder = SpanBuilder::from_name("gepa.run").with_attributes(attributes);
        let span = tracer.build_with_context(builder, &Context::new());
        let policy = Model::new(&run.policy_provider, &run.policy_model);
        let reflection = settings.and_then(StoredSettings::reflection_model);
        let reflection = reflection.and_then(|(provider, name)| Model::new(provider, name));
        Self {
            tracer,
            run: Context::new().with_span(span),
            iterations: BTreeMap::new(),
            policy,
            reflection,
            last: Timestamp::now(),
        }
    }

    /// Takes an event in. Returns how many spans were ended.
    pub(super) fn take_in(&mut self, event: &Event) -> usize {
        self.last = event.at;
        match &event.body {
            EventBody::Decision(Decision::ProposalIssued(issued)) => {
                let parents: Vec<String> = issued
                    .parents
                    .iter()
                    .map(|parent| parent.0.to_string())
                    .collect();
                let attributes = vec![
                    whole("gepa.iteration", issued.iteration),
                    KeyValue::new("gepa.parents", parents.join(",")),
                ];
                let builder = SpanBuilder::from_name("gepa.iteration")
                    .with_start_time(time(event.at))
                    .with_attributes(attributes);
                let span = self.tracer.build_with_context(builder, &self.run);
                let context = Context::new().with_span(span);
                self.iterations.insert(issued.iteration, context);
                0
            }
            EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                let attributes = vec![
                    KeyValue::new("gepa.outcome", "accepted"),
                    whole("gepa.candidate.index", u64::from(accepted.index.0)),
                    KeyValue::new("gepa.score", accepted.mean_score),
                ];
                self.end_iteration(accepted.iteration, event.at, attributes)
            }
            EventBody::Decision(Decision::ProposalClosed(closed)) => {
                let reason = serde_json::to_value(closed.reason).unwrap_or_default();
                let reason = reason.as_str().unwrap_or_default().to_owned();
                let attributes = vec![KeyValue::new("gepa.outcome", reason)];
                self.end_iteration(closed.iteration, event.at, attributes)
            }
            EventBody::Fact(Fact::RolloutSettled(settled)) => self.rollout(settled),
            EventBody::Fact(Fact::ReflectionSettled(settled)) => self.reflection(settled),
            _ => 0,
        }
    }

    /// Ends every span.
    pub(super) fn end(self) {
        for context in self.iterations.values() {
            context.span().end_with_timestamp(time(self.last));
        }
        self.run.span().end();
    }

    fn end_iteration(&mut self, iteration: u64, at: Timestamp, attributes: Vec<KeyValue>) -> usize {
        let Some(context) = self.iterations.remove(&iteration) else {
            return 0;
        };
        context.span().set_attributes(attributes);
        context.span().end_with_timestamp(time(at));
        1
    }

    fn parent(&self, iteration: u64) -> &Context {
        self.iterations.get(&iteration).unwrap_or(&self.run)
    }

    fn rollout(&self, settled: &RolloutSettled) -> usize {
        let attributes = vec![
            KeyValue::new("gepa.stage", settled.stage.as_str()),
            KeyValue::new("gepa.candidate.id", settled.candidate.to_string()),
            KeyValue::new("gepa.example", settled.example.to_string()),
            whole("gepa.attempts", u64::from(settled.attempts)),
        ];
        let builder = SpanBuilder::from_name("gepa.rollout")
            .with_start_time(time(settled.started_at))
            .with_attributes(attributes);
        let parent = self.parent(settled.trial.iteration);
        let mut span = self.tracer.build_with_context(builder, parent);
        match &*settled.outcome {
            Outcome::Scored(scored) => span.add_event_with_timestamp(
                "gen_ai.evaluation.result",
                time(settled.finished_at),
                vec![
                    KeyValue::new("gen_ai.evaluation.name", "score"),
                    KeyValue::new("gen_ai.evaluation.score.value", scored.score),
                ],
            ),
            Outcome::Failed(failure) => fail(&mut span, failure.kind.as_str(), &failure.message),
        }
        let within = Context::new().with_span(span);
        let mut ended = 1;
        if let Some(model) = &self.policy
            && settled.usage.calls > 0
        {
            let mut call = self.call(model, &within, settled.started_at, &settled.usage);
            call.end_with_timestamp(time(settled.finished_at));
            ended += 1;
        }
        within.span().end_with_timestamp(time(settled.finished_at));
        ended
    }

    fn reflection(&self, settled: &ReflectionSettled) -> usize {
        let parent = self.parent(settled.iteration);
        let mut span = match &self.reflection {
            Some(model) => self.call(model, parent, settled.started_at, &settled.usage),
            None => self.tracer.build_with_context(
                SpanBuilder::from_name("gepa.proposal").with_start_time(time(settled.started_at)),
                parent,
            ),
        };
        span.set_attribute(KeyValue::new("gepa.component", settled.component.clone()));
        if let Some(failure) = &settled.failure {
            let kind = serde_json::to_value(failure.kind).unwrap_or_default();
            fail(
                &mut span,
                kind.as_str().unwrap_or("_OTHER"),
                &failure.message,
            );
        }
        span.end_with_timestamp(time(settled.finished_at));
        1
    }

    /// A call of a model, with the names of the conventions.
    fn call(
        &self,
        model: &Model,
        parent: &Context,
        since: Timestamp,
        usage: &Usage,
    ) -> opentelemetry_sdk::trace::Span {
        let attributes = vec![
            KeyValue::new("gen_ai.operation.name", "chat"),
            KeyValue::new("gen_ai.provider.name", model.provider.clone()),
            KeyValue::new("gen_ai.request.model", model.name.clone()),
            whole("gen_ai.usage.input_tokens", usage.prompt_tokens),
            whole("gen_ai.usage.output_tokens", usage.completion_tokens),
            KeyValue::new("gepa.cost_usd", usage.cost.dollars()),
        ];
        let builder = SpanBuilder::from_name(format!("chat {}", model.name))
            .with_kind(SpanKind::Client)
            .with_start_time(time(since))
            .with_attributes(attributes);
        self.tracer.build_with_context(builder, parent)
    }
}

impl Model {
    fn new(provider: &str, name: &str) -> Option<Self> {
        (provider != "none").then(|| Self {
            provider: provider.to_owned(),
            name: name.to_owned(),
        })
    }
}

fn fail(span: &mut opentelemetry_sdk::trace::Span, kind: &str, message: &str) {
    span.set_attribute(KeyValue::new("error.type", kind.to_owned()));
    span.set_status(Status::error(message.to_owned()));
}

fn whole(name: &'static str, count: u64) -> KeyValue {
    KeyValue::new(name, i64::try_from(count).unwrap_or(i64::MAX))
}

fn time(at: Timestamp) -> SystemTime {
    let micros = u64::try_from(at.0).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}
