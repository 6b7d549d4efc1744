//! The arguments of `gepa train`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::number::finite;
use super::store::StoreArguments;
use crate::error::CommandError;

pub(super) const TRAIN_NOTES: &str = "\
The first line on stdout is the job's id as `\"job_id\": \"...\"`. Lines of progress follow, then
the scores. Learning curve, statistics, best prompt and a summary go to the job's `results_folder`,
by default `results` beside its file. With `--backend` the job runs on that backend (SYNTH_API_KEY
or GEPA_API_KEY is the key), otherwise in this process. Exit code 0 means that the job succeeded
and executed rollouts.";

#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// The job file
    #[arg(value_name = "CONFIG", required_unless_present = "config")]
    path: Option<PathBuf>,
    /// The job file, as a named argument
    #[arg(long, value_name = "CONFIG", conflicts_with = "path")]
    config: Option<PathBuf>,
    /// The kind of job
    #[arg(long = "type", value_name = "TYPE", default_value = "prompt_learning")]
    _kind: JobKind,
    /// Submit the job to this backend instead of running it in this process
    #[arg(long, value_name = "URL")]
    pub(crate) backend: Option<String>,
    /// Wait for the end of a submitted job; the default
    #[arg(long, overrides_with = "no_poll")]
    poll: bool,
    /// Submit the job and do not wait for its end
    #[arg(long, requires = "backend")]
    no_poll: bool,
    /// Seconds between two polls of a submitted job
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = finite)]
    poll_interval: f64,
    /// Set a key, for example `--set prompt_learning.gepa.rollout.budget=100`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Further files of variables; the environment wins over them
    #[arg(long, value_name = "FILE")]
    pub(crate) env: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) ignored: IgnoredArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum JobKind {
    #[value(name = "prompt_learning", alias = "prompt-learning", alias = "gepa")]
    PromptLearning,
}

/// Flags of other job clients that have no effect here. They are accepted so that scripts keep
/// working.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct IgnoredArguments {
    #[arg(long, hide = true, value_name = "FORM")]
    stream_format: Option<String>,
    #[arg(long, hide = true)]
    poll_timeout: Option<f64>,
    #[arg(long, hide = true)]
    task_url: Option<String>,
    #[arg(long, hide = true)]
    dataset: Option<PathBuf>,
    #[arg(long, hide = true)]
    model: Option<String>,
    #[arg(long, hide = true)]
    allow_experimental: bool,
    #[arg(long, hide = true)]
    no_allow_experimental: bool,
    #[arg(long, hide = true)]
    idempotency: Option<String>,
    #[arg(long, hide = true)]
    dry_run: bool,
    #[arg(long, hide = true)]
    examples: Option<u64>,
    #[arg(long, hide = true)]
    local_backend: bool,
    #[arg(long, hide = true)]
    tui: bool,
    #[arg(long, hide = true)]
    show_curve: bool,
    #[arg(long, hide = true)]
    verbose_summary: bool,
}

impl TrainArguments {
    pub(crate) fn file(&self) -> Result<&Path, CommandError> {
        let file = self.config.as_deref().or(self.path.as_deref());
        file.ok_or_else(|| CommandError::Usage("name the job file".to_owned()))
    }

    pub(crate) fn polls(&self) -> bool {
        !self.no_poll
    }

    /// The pause between polls, within limits.
    pub(crate) fn poll_interval(&self) -> Duration {
        Duration::from_secs_f64(self.poll_interval.clamp(0.05, 3_600.0))
    }
}

impl IgnoredArguments {
    /// The given flags that the caller may expect to have an effect.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            (self.poll_timeout.is_some(), "--poll-timeout"),
            (self.task_url.is_some(), "--task-url"),
            (self.dataset.is_some(), "--dataset"),
            (self.model.is_some(), "--model"),
            (self.idempotency.is_some(), "--idempotency"),
            (self.dry_run, "--dry-run"),
            (self.examples.is_some(), "--examples"),
            (self.local_backend, "--local-backend"),
            (self.tui, "--tui"),
        ];
        all.into_iter()
            .filter(|(is_given, _)| *is_given)
            .map(|(_, flag)| flag)
            .collect()
    }
}
