//! A look at what a task calls, without a paid call and without starting a program.

use gepa_evaluation::ModelErrorKind;
use gepa_models::{Models, Sight};
use gepa_tasks::task_app::{TaskAppError, TaskAppEvaluator};

use crate::raw::EvaluatorSettings;
use crate::task::{RULEBOOK, TaskConfig};

/// One thing that a task calls, and what a look at it showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The section of the config that names it.
    pub section: &'static str,
    /// The request that was made, such as `GET https://host/v1/models`.
    pub request: String,
    /// What it showed.
    pub result: Result<Seen, Unseen>,
}

/// What answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A model's provider.
    Provider {
        /// The model's name.
        model: String,
        /// What the look at it showed.
        sight: Sight,
    },
    /// A task app that is well and takes the key.
    App,
    /// The server of a queue or of shared limits, which has what is needed.
    Queue,
}

/// Why a task could not call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// For people, with what to do.
    pub message: String,
    /// Whether it was not reached, or is out of order; else the settings or the key are wrong.
    pub is_away: bool,
}

impl TaskConfig {
    /// Looks at every provider, at the task app, and at the servers of the queue and of shared limits.
    /// Programs are not started.
    pub async fn look(&self, models: &Models) -> Vec<Looked> {
        let mut looked: Vec<Looked> = Vec::new();
        if let EvaluatorSettings::TaskApp(settings) = self.evaluator() {
            let key = self.task_app_key.clone();
            let seen = TaskAppEvaluator::look(settings, key, models.environment()).await;
            looked.push(Looked {
                section: "evaluator",
                request: format!(
                    "GET {}/health and /task_info",
                    settings.url.trim_end_matches('/')
                ),
                result: seen.map(|()| Seen::App).map_err(|error| Unseen {
                    is_away: matches!(
                        error,
                        TaskAppError::Unreachable { .. } | TaskAppError::NotReady { .. }
                    ),
                    message: error.to_string(),
                }),
            });
        }
        for (section, settings) in self.models_used() {
            let Some(settings) = settings.filter(|settings| settings.provider != RULEBOOK) else {
                continue;
            };
            let Ok(model) = models.connect(settings, &self.raw.providers, &self.raw.prices) else {
                // `check_models` has reported it.
                continue;
            };
            let name = settings.model.clone();
            let result = model.look().await;
            looked.push(Looked {
                section,
                request: format!("GET {}", model.address_of_models()),
                result: result
                    .map(|sight| Seen::Provider { model: name, sight })
                    .map_err(|error| Unseen {
                        is_away: !matches!(
                            error.kind,
                            ModelErrorKind::KeyRejected | ModelErrorKind::Permanent
                        ),
                        message: error.message,
                    }),
            });
        }
        #[cfg(feature = "queue")]
        looked.extend(Box::pin(self.look_at_queues()).await);
        looked
    }
}
