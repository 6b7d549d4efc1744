//! One rollout: a lease, a request, a verdict.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gepa_archive::Candidate;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::client::AppClient;
use super::error::TaskAppError;
use super::preflight::{AppFacts, preflight};
use super::request::{modules_to_hand_over, rollout_body};
use super::settings::TaskAppSettings;
use super::verdict::{Circumstances, judge};
use crate::interceptor::{Interceptor, LeaseTerms, SubstitutionPlan};
use gepa_evaluation::{
    CallLimit, Evaluation, Evaluator, EvaluatorInfo, ExampleId, FailureKind, LanguageModel,
    Outcome, PromptTemplate, RolloutRequest, ScoreRange,
};
use gepa_models::{ApiKey, ChatModel, Environment};

/// Longest time an answer to a model call may take, in seconds: one day.
const LONGEST_ANSWER_SECONDS: f64 = 86_400.0;

/// How often a rollout is tried at an app that cannot be reached and has given no score yet.
const ATTEMPTS_AT_FIRST: u32 = 2;

/// The parts of an evaluator.
#[derive(Debug)]
pub struct TaskAppParts {
    /// The settings from the config.
    pub settings: TaskAppSettings,
    /// The app's key; taken from the environment if absent.
    pub api_key: Option<ApiKey>,
    /// The messages that the app sends by default.
    pub template: PromptTemplate,
    /// The texts of these messages in the app.
    pub seed: Candidate,
    /// The model that answers the app's calls.
    pub policy: Arc<ChatModel>,
    /// The interceptor that receives these calls.
    pub interceptor: Interceptor,
    /// The longest a rollout may take. Below the run's own limit, so that what a slow rollout has
    /// cost is known.
    pub rollout_limit: Duration,
    /// How often the run tries a rollout: an app that is down at the last attempt pauses the run.
    pub attempts: u32,
}

/// Runs candidates in an HTTP task app.
pub struct TaskAppEvaluator {
    client: AppClient,
    settings: TaskAppSettings,
    /// What requests say to the app about its pipeline.
    modules: Vec<Value>,
    plan: Arc<SubstitutionPlan>,
    policy: Arc<ChatModel>,
    interceptor: Interceptor,
    rollout_limit: Duration,
    attempts: u32,
    /// Set once the app has passed its preflight.
    ready: OnceCell<AppFacts>,
    /// Set once a rollout has had a score.
    has_scored: AtomicBool,
}

impl TaskAppEvaluator {
    /// Checks the settings, and the app if it can be reached. An app that cannot be reached yet is
    /// asked again before the first rollout.
    pub async fn connect(
        parts: TaskAppParts,
        environment: &Environment,
    ) -> Result<Self, TaskAppError> {
        check(&parts.settings)?;
        let pipeline = &parts.settings.pipeline;
        let plan = SubstitutionPlan::new(&parts.template, &parts.seed, pipeline);
        let evaluator = Self {
            client: AppClient::new(&parts.settings, parts.api_key, environment)?,
            modules: modules_to_hand_over(&parts.settings, &parts.seed),
            plan: Arc::new(plan.forcing_system(parts.settings.force_system)),
            settings: parts.settings,
            policy: parts.policy,
            interceptor: parts.interceptor,
            rollout_limit: parts.rollout_limit,
            attempts: parts.attempts,
            ready: OnceCell::new(),
            has_scored: AtomicBool::new(false),
        };
        match evaluator.preflight().await {
            Err(error) if error.is_retryable() => {
                tracing::warn!("{error}");
                Ok(evaluator)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(evaluator),
        }
    }

    /// Looks at an app without a rollout: whether it is there, takes the key, and has the splits the
    /// settings name.
    pub async fn look(
        settings: &TaskAppSettings,
        api_key: Option<ApiKey>,
        environment: &Environment,
    ) -> Result<(), TaskAppError> {
        check(settings)?;
        let client = AppClient::new(settings, api_key, environment)?;
        preflight(&client, settings).await.map(|_| ())
    }

    /// What the app says about its version and its data; `None` before it has passed its preflight.
    pub fn facts(&self) -> Option<&AppFacts> {
        self.ready.get()
    }

    /// Checks that the app is there, takes the key, and has the splits the settings name.
    pub async fn preflight(&self) -> Result<(), TaskAppError> {
        let ready = self
            .ready
            .get_or_try_init(|| preflight(&self.client, &self.settings));
        ready.await.map(|_| ())
    }

    async fn run(&self, request: &RolloutRequest, seed: u64) -> Evaluation {
        // An app that has never worked is given up sooner than one that went away in mid-run.
        let patience = if self.has_scored.load(Ordering::Relaxed) {
            self.attempts
        } else {
            self.attempts.min(ATTEMPTS_AT_FIRST)
        };
        let is_last_attempt = request.attempt >= patience;
        if let Err(error) = self.preflight().await {
            return not_ready(&error, is_last_attempt);
        }
        // The app may stop waiting for a reply before an outage ends.
        if let Err(error) = self.policy.until_available().await {
            return Evaluation {
                provider_down: true,
                ..Evaluation::free(Outcome::failed(error.kind.failure_kind(), error.message))
            };
        }
        let terms = LeaseTerms {
            plan: Arc::clone(&self.plan),
            candidate: Arc::clone(&request.candidate),
            policy: Arc::clone(&self.policy),
            answer_within: Duration::from_secs_f64(self.settings.answer_seconds),
        };
        let label = format!("{}_{seed}", self.settings.env_name);
        let lease = match self.interceptor.open(terms, &label).await {
            Ok(lease) => lease,
            Err(error) => return Evaluation::free(Outcome::fatal(error.to_string())),
        };
        let policy = self.policy.settings();
        let body = rollout_body(&self.settings, policy, request, seed, &self.modules, &lease);
        let answer = self
            .client
            .post("/rollout", &body, self.rollout_limit)
            .await;
        let calls = lease.close();
        let circumstances = Circumstances {
            wants_trace: request.wants_trace(),
            is_last_attempt,
        };
        let evaluation = judge(&self.client, answer, &calls, circumstances);
        if let Outcome::Scored(_) = evaluation.outcome {
            self.has_scored.store(true, Ordering::Relaxed);
        }
        evaluation
    }
}

#[async_trait]
impl Evaluator for TaskAppEvaluator {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        let mut evaluation = match request.example {
            ExampleId::Seed(seed) => self.run(&request, seed).await,
            ExampleId::Name(ref name) => Evaluation::free(Outcome::fatal(format!(
                "a task app addresses its examples by integer seeds, and `{name}` is none"
            ))),
        };
        evaluation.outcome = evaluation.outcome.within(self.score_range());
        evaluation
    }

    fn score_range(&self) -> Option<ScoreRange> {
        let [lowest, highest] = self.settings.score_range?;
        ScoreRange::new(lowest, highest)
    }

    fn is_deterministic(&self) -> bool {
        self.settings.deterministic
    }

    fn obstacle(&self) -> Option<String> {
        self.policy.obstacle()
    }

    fn is_priced(&self) -> bool {
        self.policy.is_priced()
    }

    fn call_limits(&self) -> Vec<CallLimit> {
        self.policy.call_limit().into_iter().collect()
    }

    fn stop_waiting(&self) {
        self.policy.stop_waiting();
    }

    fn info(&self) -> EvaluatorInfo {
        let policy = self.policy.settings();
        EvaluatorInfo {
            kind: "task_app".to_owned(),
            policy_provider: policy.provider.clone(),
            policy_model: policy.model.clone(),
        }
    }
}

impl fmt::Debug for TaskAppEvaluator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskAppEvaluator")
            .field("client", &self.client)
            .field("settings", &self.settings)
            .field("policy", self.policy.settings())
            .finish_non_exhaustive()
    }
}

/// An app that may come back is tried again like a rollout that failed for a passing reason; at the
/// last attempt the run pauses.
fn not_ready(error: &TaskAppError, is_last_attempt: bool) -> Evaluation {
    if !error.is_retryable() {
        return Evaluation::free(Outcome::fatal(error.to_string()));
    }
    let outcome = Outcome::failed(FailureKind::Transient, error.to_string());
    Evaluation {
        provider_down: is_last_attempt,
        ..Evaluation::free(outcome)
    }
}

fn check(settings: &TaskAppSettings) -> Result<(), TaskAppError> {
    let refuse = |setting, expected: &str| {
        Err(TaskAppError::Setting {
            setting,
            expected: expected.to_owned(),
        })
    };
    if settings.env_name.trim().is_empty() {
        return refuse("env_name", "name the environment as the app knows it");
    }
    let seconds = settings.answer_seconds;
    if !(seconds > 0.0 && seconds <= LONGEST_ANSWER_SECONDS) {
        return refuse(
            "answer_seconds",
            "expected above 0 and at most 86400 seconds",
        );
    }
    Ok(())
}
