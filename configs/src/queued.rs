//! Tasks whose rollouts workers execute: what such a worker must offer, and the way to the queue.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use gepa_engine::Problem;
use gepa_evaluation::{Evaluator, EvaluatorInfo};
use gepa_models::{Environment, Models};
use gepa_queue::{
    Address, Described, Desk, DeskSettings, LimitBucket, Login, Offer, Queue, QueueError,
    QueueEvaluator, QueueProposer, new_process_name, without_password,
};
use gepa_tasks::Services;

use crate::job_queue::JobQueue;
use crate::leaves::{flatten, is_free, json, names_file};
use crate::look::{Looked, Seen, Unseen};
use crate::raw::EvaluatorSettings;
use crate::task::{ConnectedTask, TaskConfig, problem};

impl JobQueue {
    /// Connects to the NATS server with JetStream at `url`, with the environment's credentials. The
    /// connection comes back by itself when it is lost.
    ///
    /// # Errors
    /// Within a few seconds: nothing answers, or the server refuses what is needed.
    pub async fn connect(url: &str, environment: &Environment) -> Result<Self, QueueError> {
        let queue = Queue::connect(&address(url, environment)).await?;
        Ok(Self {
            queue: Arc::new(queue),
        })
    }

    pub(crate) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }
}

/// Shares the limits of these models with all processes that name the same server.
///
/// # Errors
/// As [`JobQueue::connect`].
pub async fn share_limits(
    models: &Models,
    url: &str,
    environment: &Environment,
) -> Result<(), QueueError> {
    let bucket = LimitBucket::open(&address(url, environment)).await?;
    models.share_limits(Arc::new(bucket), new_process_name());
    Ok(())
}

fn address(url: &str, environment: &Environment) -> Address {
    Address {
        url: url.to_owned(),
        login: Login::of_variables(|name| environment.get(name)),
    }
}

impl TaskConfig {
    /// What a worker must offer to execute this task's rollouts, and what a worker with this config
    /// offers: the evaluator's name, and digests of all that decides an outcome.
    pub fn offer(&self) -> Offer {
        let workers = &self.raw.workers;
        let kind = self.evaluator_kind();
        let mut offer = Offer::new(workers.name.as_deref().unwrap_or(kind))
            .with("version", env!("CARGO_PKG_VERSION"))
            .with("kind", kind);
        if let Some(version) = &workers.version {
            offer = offer.with("evaluator_version", version.clone());
        }
        let mut leaves = Vec::new();
        flatten("", &json(&self.raw), &mut leaves);
        leaves.retain(|(key, _)| !is_free(key) && !names_file(key));
        let mut sections = vec!["evaluator", "scorer", "policy", "judge"];
        if workers.reflections {
            sections.extend(["reflection_model", "reflection", "proposer"]);
        }
        for section in sections {
            let of_section = leaves.iter().filter(|(key, _)| {
                let rest = key.strip_prefix(section);
                rest.is_some_and(|rest| rest.starts_with(['.', '[']))
            });
            let content: Vec<String> = of_section
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            if !content.is_empty() {
                offer = offer.with_content(section, content.join("\n").as_bytes());
            }
        }
        let prompt = serde_json::to_vec(self.config.prompt()).unwrap_or_default();
        offer = offer.with_content("prompt", &prompt);
        for part in ["rows", "files"] {
            if let Some(digests) = self.described["data"].get(part) {
                offer = offer.with_content(part, digests.to_string().as_bytes());
            }
        }
        offer
    }

    /// The address of the queue that the config names, with the environment's credentials.
    pub fn queue_address(&self) -> Option<Address> {
        let url = self.raw.workers.queue.as_ref()?;
        Some(self.address(url))
    }

    /// An address with the environment's credentials.
    pub fn address(&self, url: &str) -> Address {
        address(url, self.environment())
    }

    /// Shares the limits of the models of this process, if the config says so.
    pub(crate) async fn share_limits(&self, models: &Models) -> Result<(), Vec<Problem>> {
        let Some(url) = &self.raw.limits.shared else {
            return Ok(());
        };
        if models.shared_in().is_none() {
            let bucket = LimitBucket::open(&self.address(url)).await;
            let bucket = bucket.map_err(|error| problem("limits.shared", &error))?;
            models.share_limits(Arc::new(bucket), new_process_name());
        }
        match models.shared_in() {
            Some(place) if place != url => Err(vec![Problem::new(
                "limits.shared",
                format!("is not {place}, where this process shares its limits already"),
            )]),
            _ => Ok(()),
        }
    }

    /// Connects to the servers that a run would need, and leaves them.
    pub(crate) async fn look_at_queues(&self) -> Vec<Looked> {
        let places = [
            ("workers.queue", &self.raw.workers.queue),
            ("limits.shared", &self.raw.limits.shared),
        ];
        let mut looked = Vec::new();
        for (section, url) in places {
            let Some(url) = url else { continue };
            let address = self.address(url);
            let found = Queue::connect(&address).await;
            looked.push(Looked {
                section,
                request: format!("a connection to {}", without_password(url)),
                result: found.map(|_| Seen::Queue).map_err(|error| Unseen {
                    is_away: matches!(error, QueueError::Unreachable { .. }),
                    message: error.to_string(),
                }),
            });
        }
        looked
    }

    fn evaluator_kind(&self) -> &'static str {
        match self.evaluator {
            EvaluatorSettings::Dataset(_) => "dataset",
            EvaluatorSettings::Process(_) => "process",
            EvaluatorSettings::TaskApp(_) => "task_app",
        }
    }

    /// Connects the parts of a task whose rollouts workers execute. Starts no program of the evaluator.
    pub(crate) async fn connect_to_workers(
        &self,
        address: &Address,
        services: &Services,
    ) -> Result<ConnectedTask, Vec<Problem>> {
        let queue = Queue::connect(address).await;
        let queue = Arc::new(queue.map_err(|error| problem("workers.queue", &error))?);
        self.connect_over_queue(queue, services).await
    }

    /// The same over a connection that is there.
    pub(crate) async fn connect_over_queue(
        &self,
        queue: Arc<Queue>,
        services: &Services,
    ) -> Result<ConnectedTask, Vec<Problem>> {
        self.keep_limits(&services.models);
        self.share_limits(&services.models).await?;
        let models = &services.models.for_run();
        let described = self.described_evaluator(models)?;
        let proposer = self.proposer(models).await?;
        let settings = DeskSettings {
            longest_outage: Duration::from_secs_f64(self.raw.workers.outage_seconds),
        };
        let desk = Desk::open(queue, self.offer(), settings).await;
        let desk = Arc::new(desk.map_err(|error| problem("workers.queue", &error))?);
        Ok(ConnectedTask {
            evaluator: Arc::new(QueueEvaluator::new(Arc::clone(&desk), described)),
            proposer: if self.raw.workers.reflections {
                Arc::new(QueueProposer::new(desk, proposer))
            } else {
                proposer
            },
            // Each worker looks at its own app.
            app: None,
        })
    }

    fn described_evaluator(&self, models: &Models) -> Result<Described, Vec<Problem>> {
        let estimator: Option<Arc<dyn Evaluator>> = match &self.evaluator {
            EvaluatorSettings::Dataset(settings) => {
                Some(Arc::new(self.dataset_evaluator(models, settings)?))
            }
            _ => None,
        };
        let deterministic = match &self.evaluator {
            EvaluatorSettings::Dataset(_) => {
                estimator.as_ref().is_some_and(|one| one.is_deterministic())
            }
            EvaluatorSettings::Process(settings) => settings.deterministic,
            EvaluatorSettings::TaskApp(settings) => settings.deterministic,
        };
        let largest = self.raw.workers.largest_batch as usize;
        Ok(Described {
            info: match (&estimator, self.policy()) {
                (Some(estimator), _) => estimator.info(),
                (None, Some((provider, model))) => EvaluatorInfo {
                    kind: self.evaluator_kind().to_owned(),
                    policy_provider: provider.to_owned(),
                    policy_model: model.to_owned(),
                },
                (None, None) => EvaluatorInfo::without_model(self.evaluator_kind()),
            },
            deterministic,
            score_range: match &estimator {
                Some(estimator) => estimator.score_range(),
                None => self.score_range(),
            },
            timeout: Duration::from_secs_f64(self.raw.rollouts.timeout_seconds.min(1e9)),
            largest_batch: NonZeroUsize::new(largest).unwrap_or(NonZeroUsize::MIN),
            estimator,
        })
    }
}
