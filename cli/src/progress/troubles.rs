//! What goes wrong before any event says so: failed attempts, and waits for providers and apps.

use std::time::{Duration, Instant};

use gepa_engine::TroubleWatch;

use crate::format::{duration, one_line};

/// Longest text quoted from a failure.
const QUOTED: usize = 400;
/// A wait is shown when it has lasted this long, and then after ever longer times.
const FIRST_SHOWN: Duration = Duration::from_millis(200);

/// Looks at a run's troubles again and again.
pub(crate) struct Troubles {
    watch: TroubleWatch,
    shown_attempts: u64,
    waiting_since: Option<Instant>,
    next_shown: Duration,
}

impl Troubles {
    pub(crate) fn new(watch: TroubleWatch) -> Self {
        Self {
            watch,
            shown_attempts: 0,
            waiting_since: None,
            next_shown: FIRST_SHOWN,
        }
    }

    /// A line, if there is something new to say.
    pub(crate) fn news(&mut self) -> Option<String> {
        self.failed_attempts().or_else(|| self.wait())
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
