//! What goes wrong before any event says so: failed attempts, and waits for providers and apps.

use std::time::{Duration, Instant};

use gepa_engine::TroubleWatch;

use super::Standing;
use crate::format::{duration, one_line};

/// Longest text quoted from a failure.
const QUOTED: usize = 400;
/// A wait is shown when it has lasted this long, and then after ever longer times.
const FIRST_SHOWN: Duration = Duration::from_millis(200);

/// Without an answer to the first rollout, a line says so after this time, and then after ever longer times.
const FIRST_ANSWER: Duration = Duration::from_secs(3);

/// Looks at a run's troubles again and again.
pub(crate) struct Troubles {
    watch: TroubleWatch,
    /// The key that limits the time of an attempt, and the seconds that it allows.
    limit: (&'static str, f64),
    began: Instant,
    next_silence: Duration,
    shown_attempts: u64,
    waiting_since: Option<Instant>,
    next_shown: Duration,
}

impl Troubles {
    pub(crate) fn new(watch: TroubleWatch, limit: (&'static str, f64)) -> Self {
        Self {
            watch,
            limit,
            began: Instant::now(),
            next_silence: FIRST_ANSWER,
            shown_attempts: 0,
            waiting_since: None,
            next_shown: FIRST_SHOWN,
        }
    }

    /// A line, if there is something new to say.
    pub(crate) fn news(&mut self, standing: &Standing) -> Option<String> {
        let news = self.failed_attempts().or_else(|| self.wait());
        news.or_else(|| self.silence(standing))
    }

    /// Says that nothing has answered yet, while no failure and no wait explains it.
    fn silence(&mut self, standing: &Standing) -> Option<String> {
        let counters = standing.counters();
        let has_answered = counters.total_rollouts + counters.recalled_rollouts > 0
            || self.watch.attempts().failed_attempts > 0;
        let lasted = self.began.elapsed();
        if has_answered || self.waiting_since.is_some() || lasted < self.next_silence {
            return None;
        }
        self.next_silence = 5 * lasted;
        let (key, seconds) = self.limit;
        Some(format!(
            "the first rollout has no answer yet after {}; `{key}` = {seconds} limits it. If the evaluator answers, \
             it must flush its line",
            duration(lasted.as_secs_f64())
        ))
    }

    fn failed_attempts(&mut self) -> Option<String> {
        let trouble = self.watch.attempts();
        // A line for the first, and then each time the number has doubled.
        if trouble.failed_attempts == 0 || trouble.failed_attempts < 2 * self.shown_attempts {
            return None;
        }
        self.shown_attempts = trouble.failed_attempts;
        let last = one_line(trouble.last.as_deref().unwrap_or_default(), QUOTED);
        Some(match trouble.failed_attempts {
            1 => format!("an attempt failed and is made again: {last}"),
            many => format!("{many} attempts failed and are made again, the last: {last}"),
        })
    }

    fn wait(&mut self) -> Option<String> {
        let Some(obstacle) = self.watch.obstacle() else {
            self.waiting_since = None;
            self.next_shown = FIRST_SHOWN;
            return None;
        };
        let lasted = self
            .waiting_since
            .get_or_insert_with(Instant::now)
            .elapsed();
        if lasted < self.next_shown {
            return None;
        }
        self.next_shown = 5 * lasted;
        let seconds = duration(lasted.as_secs_f64());
        Some(format!(
            "waiting for {seconds}: {}",
            one_line(&obstacle, QUOTED)
        ))
    }
}
