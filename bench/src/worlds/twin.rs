//! A world in process, with the answers, latencies and usage of the server. Under tokio's paused
//! clock the latencies take no time.

use std::sync::Arc;

use async_trait::async_trait;
use gepa_evaluation::{
    ChatRequest, Completion, Evaluation, Evaluator, EvaluatorInfo, ExampleId, FailureKind,
    FinishReason, LanguageModel, Message, ModelError, ModelInfo, Outcome, RolloutRequest, Scored,
    Usage,
};
use serde_json::json;
use tokio::time::sleep;

use super::conditions::Conditions;
use super::item::Item;
use super::model::{Answer, Role, WorldModel};
use super::tally::{Tally, call_key};
use super::world::World;

const PROVIDER: &str = "simulated";

/// Runs the component `instruction` on items of a world, as the policy does over HTTP. Of the
/// conditions only the latencies apply: in process there are no limits and no faults.
#[derive(Debug)]
pub struct WorldEvaluator {
    run: Arc<WorldRun>,
}

/// The reflection model of a world, with the answers that it gives over HTTP.
#[derive(Debug)]
pub struct WorldReflector {
    run: Arc<WorldRun>,
}

/// One run in a world: the models, the conditions and the counts of its calls.
#[derive(Debug)]
struct WorldRun {
    model: WorldModel,
    conditions: Conditions,
    tally: Tally,
}

/// An evaluator and a reflection model for one run in `world`.
pub fn twins(world: Arc<World>, conditions: Conditions) -> (WorldEvaluator, WorldReflector) {
    let run = Arc::new(WorldRun {
        model: WorldModel::new(world),
        conditions,
        tally: Tally::default(),
    });
    let evaluator = WorldEvaluator {
        run: Arc::clone(&run),
    };
    (evaluator, WorldReflector { run })
}

impl WorldRun {
    async fn answer(&self, role: Role, messages: &[Message]) -> Answer {
        let call = call_key(role, messages);
        let attempt = self.tally.attempt(call);
        let latency = self.conditions.latency(role, call, attempt);
        if !latency.is_zero() {
            sleep(latency).await;
        }
        let sample = self.tally.answer(call);
        self.model.answer(role, messages, sample)
    }
}

impl WorldEvaluator {
    fn item(&self, example: &ExampleId) -> Option<&Item> {
        match example {
            ExampleId::Name(name) => self.run.model.world().item(name),
            ExampleId::Seed(_) => None,
        }
    }
}

#[async_trait]
impl Evaluator for WorldEvaluator {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        let known = self.item(&request.example);
        let (Some(item), Some(prompt)) = (known, request.candidate.text("instruction")) else {
            return Evaluation::free(Outcome::failed(
                FailureKind::Permanent,
                format!(
                    "the world has no item `{}`, or the candidate no component `instruction`",
                    request.example
                ),
            ));
        };
        let messages = [
            Message::new("system", &**prompt),
            Message::new("user", item.input.as_str()),
        ];
        let answer = self.run.answer(Role::Policy, &messages).await;
        let is_right = answer.text.trim() == item.answer;
        let feedback = if is_right {
            &item.feedback_right
        } else {
            &item.feedback_wrong
        };
        let usage = usage(&answer);
        let outcome = Outcome::Scored(Scored {
            score: f64::from(u8::from(is_right)),
            feedback: Some(feedback.clone()),
            output: Some(answer.text),
            trace: request.wants_trace().then(|| json!({"Inputs": item.input})),
            ..Scored::default()
        });
        Evaluation::with_usage(outcome, usage)
    }

    fn is_deterministic(&self) -> bool {
        self.run.model.world().is_deterministic()
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo {
            kind: "world".to_owned(),
            policy_provider: PROVIDER.to_owned(),
            policy_model: Role::Policy.as_str().to_owned(),
        }
    }
}

#[async_trait]
impl LanguageModel for WorldReflector {
    async fn complete(&self, request: ChatRequest) -> Result<Completion, ModelError> {
        let answer = self.run.answer(Role::Reflector, &request.messages).await;
        Ok(Completion {
            usage: usage(&answer),
            text: answer.text,
            reasoning: None,
            finish_reason: FinishReason::Stop,
            tool_calls: Vec::new(),
        })
    }

    fn info(&self) -> ModelInfo {
        ModelInfo {
            provider: PROVIDER.to_owned(),
            model: Role::Reflector.as_str().to_owned(),
        }
    }
}

fn usage(answer: &Answer) -> Usage {
    Usage {
        calls: 1,
        prompt_tokens: answer.prompt_tokens,
        completion_tokens: answer.completion_tokens,
        ..Usage::default()
    }
}
