//! An app, a model and an evaluator for one test.

use std::sync::Arc;
use std::time::Duration;

use gepa_archive::Candidate;
use gepa_evaluation::{
    Evaluation, Evaluator, Failure, Outcome, PromptMessage, PromptTemplate, RolloutRequest, Scored,
    Stage,
};
use gepa_models::{ApiKey, Environment, ModelSettings, Models, ProviderSettings, RetryTiming};
use gepa_tasks::interceptor::Interceptor;
use gepa_tasks::task_app::{
    PipelineModule, TaskAppError, TaskAppEvaluator, TaskAppParts, TaskAppSettings,
};
use gepa_testing::{Fault, FaultPlan, ModelCall, ModelReply, ModelServer};
use indexmap::IndexMap;
use serde_json::json;

use crate::app::{APP_KEY, CALIBRATOR, CLASSIFIER, FakeApp, Family, Quirk, SYSTEM, USER};

pub(crate) const MODEL_KEY: &str = "sk-marker-fcde2b2edba56bf4";

/// The parts a test may want different.
pub(crate) struct World {
    pub(crate) app: FakeApp,
    pub(crate) model: ModelServer,
    pub(crate) policy: ModelSettings,
    pub(crate) outage_seconds: f64,
    pub(crate) settings: TaskAppSettings,
    pub(crate) key: Option<ApiKey>,
    pub(crate) rollout_limit: Duration,
}

impl World {
    pub(crate) async fn new(family: Family, quirk: Quirk, faults: FaultPlan) -> Self {
        // Installs the TLS provider that HTTP clients insist on.
        connect_policy("http://127.0.0.1:1/v1", &policy_settings(), 1.0);
        let model = ModelServer::answering(classify).faults(faults);
        let app = FakeApp::start(family, quirk).await;
        Self {
            settings: settings(&app.url(), family),
            app,
            model: model.start().await.unwrap(),
            policy: policy_settings(),
            outage_seconds: 600.0,
            key: Some(ApiKey::new(APP_KEY)),
            rollout_limit: Duration::from_secs(20),
        }
    }

    pub(crate) async fn well(family: Family) -> Self {
        Self::new(family, Quirk::None, FaultPlan::none()).await
    }

    pub(crate) async fn connect(&self) -> Result<TaskAppEvaluator, TaskAppError> {
        let base_url = self.model.base_url();
        let parts = TaskAppParts {
            settings: self.settings.clone(),
            api_key: self.key.clone(),
            template: template(self.settings.pipeline.is_empty()),
            seed: seed(self.settings.pipeline.is_empty()),
            policy: connect_policy(&base_url, &self.policy, self.outage_seconds),
            interceptor: Interceptor::new(&Environment::default()),
            rollout_limit: self.rollout_limit,
            attempts: 3,
        };
        TaskAppEvaluator::connect(parts, &Environment::default()).await
    }

    /// One rollout with the good prompt.
    pub(crate) async fn run(&self) -> Evaluation {
        let candidate = good(self.settings.pipeline.is_empty());
        self.run_as(rollout(candidate, 3)).await
    }

    pub(crate) async fn run_as(&self, request: RolloutRequest) -> Evaluation {
        self.connect().await.unwrap().evaluate(request).await
    }
}

fn connect_policy(
    base_url: &str,
    settings: &ModelSettings,
    outage_seconds: f64,
) -> Arc<gepa_models::ChatModel> {
    let environment = Environment::of([("GROQ_API_KEY", MODEL_KEY), ("GROQ_API_BASE", base_url)]);
    let timing = RetryTiming {
        first_backoff: Duration::from_millis(1),
        longest_backoff: Duration::from_millis(2),
        first_probe_after: Duration::from_millis(1),
        probe_at_least_every: Duration::from_millis(2),
    };
    let providers = IndexMap::from([(
        "groq".to_owned(),
        ProviderSettings {
            outage_seconds: Some(outage_seconds),
            ..ProviderSettings::default()
        },
    )]);
    Models::with_timing(environment, timing)
        .connect(settings, &providers, &[])
        .unwrap()
}

pub(crate) fn policy_settings() -> ModelSettings {
    ModelSettings {
        temperature: Some(0.0),
        max_tokens: Some(32),
        max_attempts: Some(4),
        ..ModelSettings::new("groq", "policy-model")
    }
}

pub(crate) fn settings(url: &str, family: Family) -> TaskAppSettings {
    let mut settings: TaskAppSettings =
        serde_json::from_value(json!({"url": url, "env_name": "fake"})).unwrap();
    if family == Family::Pipeline {
        let modules = [("classifier", CLASSIFIER), ("calibrator", CALIBRATOR)];
        settings.pipeline = modules
            .into_iter()
            .map(|(component, baseline)| PipelineModule {
                component: component.to_owned(),
                baseline: Some(baseline.to_owned()),
            })
            .collect();
    }
    settings
}

fn template(has_messages: bool) -> PromptTemplate {
    let message = |role: &str, pattern: &str| PromptMessage {
        role: role.to_owned(),
        component: Some(role.to_owned()),
        pattern: pattern.to_owned(),
    };
    PromptTemplate {
        messages: if has_messages {
            vec![message("system", SYSTEM), message("user", USER)]
        } else {
            Vec::new()
        },
    }
}

pub(crate) fn seed(is_single: bool) -> Candidate {
    let texts = if is_single {
        [("system", SYSTEM), ("user", USER)]
    } else {
        [("classifier", CLASSIFIER), ("calibrator", CALIBRATOR)]
    };
    Candidate::new(texts).unwrap()
}

/// A prompt with which the model is always right.
pub(crate) fn good(is_single: bool) -> Candidate {
    let texts = if is_single {
        [("system", "Good prompt."), ("user", "{features}")]
    } else {
        [
            ("classifier", "Good classifier."),
            ("calibrator", "Good calibrator."),
        ]
    };
    Candidate::new(texts).unwrap()
}

/// Right where the system message says `Good`, else always `0`. Costs ten tokens and two.
fn classify(call: &ModelCall) -> ModelReply {
    // As JSON, in which texts and parts look alike.
    let sent = call.body["messages"].to_string();
    let system = call.body["messages"][0].to_string();
    let age = sent.split("age: ").nth(1).unwrap_or("0");
    let digits: String = age.chars().take_while(char::is_ascii_digit).collect();
    let parity = digits.parse::<u64>().unwrap_or(0) % 2;
    let label = if system.contains("Good") { parity } else { 0 };
    let arguments = json!({"label": label.to_string()}).to_string();
    let mut reply = ModelReply::text("").reporting(10, 2);
    "tool_calls".clone_into(&mut reply.finish_reason);
    reply.tool_calls = vec![json!({
        "id": "call_1", "type": "function",
        "function": {"name": "classify", "arguments": arguments},
    })];
    reply
}

pub(crate) fn rollout(candidate: Candidate, seed: u64) -> RolloutRequest {
    RolloutRequest {
        candidate: Arc::new(candidate),
        example: seed.into(),
        run_id: "pl_0123456789abcdef".into(),
        trial_id: "t1".into(),
        stage: Stage::MinibatchParent,
        iteration: 1,
        trial_index: 0,
        attempt: 1,
    }
}

pub(crate) fn scored(evaluation: &Evaluation) -> &Scored {
    match &evaluation.outcome {
        Outcome::Scored(scored) => scored,
        Outcome::Failed(failure) => panic!("{failure:?}"),
    }
}

pub(crate) fn failure(evaluation: &Evaluation) -> &Failure {
    match &evaluation.outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Scored(scored) => panic!("{scored:?}"),
    }
}

pub(crate) fn always(fault: Fault) -> FaultPlan {
    FaultPlan::none().from(0, fault)
}

/// The usage that the evaluation reports equals the usage that the model server counted.
pub(crate) fn check_books(world: &World, evaluation: &Evaluation) {
    let ledger = world.model.ledger();
    assert_eq!(evaluation.usage.calls, ledger.calls_received, "calls");
    assert_eq!(
        evaluation.usage.prompt_tokens, ledger.prompt_tokens,
        "prompt"
    );
    let completion = evaluation.usage.completion_tokens;
    assert_eq!(completion, ledger.completion_tokens, "completion");
}
