//! The settings of a limiter, and what is said to it and by it.

use std::time::Duration;

/// The limits of one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct LimiterSettings {
    /// Most calls in flight at once.
    pub max_concurrent: usize,
    /// Most requests in any minute; no limit if absent.
    pub requests_per_minute: Option<u64>,
    /// Most tokens in any minute; no limit if absent.
    pub tokens_per_minute: Option<u64>,
    /// The most that calls may cost in a day in UTC, in millionths of a dollar; no limit if absent. It holds where
    /// the limiter is [shared](crate::Limiter::share_through), also by one process alone.
    pub micro_dollars_per_day: Option<u64>,
    /// Calls fail when the breaker has been open for longer, or when the provider requests a longer
    /// pause.
    pub longest_outage: Duration,
    /// Time from the opening of the breaker to the first probe.
    pub first_probe_after: Duration,
    /// Longest time between two probes.
    pub probe_at_least_every: Duration,
}

/// Calls whose durations can be compared with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallKind(pub(super) usize);

/// What a call uses at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Prompt and completion tokens, about.
    pub tokens: u64,
    /// Millionths of a dollar, at most.
    pub micro_dollars: u64,
}

/// Tokens of a call that costs nothing.
impl From<u64> for Needs {
    fn from(tokens: u64) -> Self {
        Self {
            tokens,
            micro_dollars: 0,
        }
    }
}

/// How an attempt ended, in the cases that limits distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The caller dropped the permit.
    Cancelled,
    /// A completion that used this many tokens.
    Completed {
        /// Prompt and completion tokens.
        tokens: u64,
    },
    /// The provider answered, but not with a completion.
    Answered,
    /// Too many requests.
    Throttled {
        /// The pause that the provider requested.
        retry_after: Option<Duration>,
    },
    /// No connection: the attempt went nowhere.
    Unreached,
    /// A broken connection, or a server error.
    Unavailable {
        /// Whether the provider said that it is overloaded, so that fewer calls would help.
        overloaded: bool,
        /// The pause that the provider requested.
        retry_after: Option<Duration>,
    },
    /// The reply did not arrive, or only in part. The provider may have done the work.
    Interrupted {
        /// Whether the time limit ended the attempt.
        is_slow: bool,
    },
}

/// What is left of a provider's limits, as the headers of a reply say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests.
    pub requests: Option<Left>,
    /// Tokens, prompt and completion.
    pub tokens: Option<Left>,
}

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The whole of it, where that is said.
    pub limit: Option<u64>,
    /// What may be used at once.
    pub remaining: u64,
    /// How long until the whole of it may be used again.
    pub full_in: Option<Duration>,
}

/// What all calls have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The provider counts as down.
    Down {
        /// Time since the breaker opened.
        lasted: Duration,
        /// When the next call finds out whether it is back; `None` while one does.
        next_try_in: Option<Duration>,
        /// When calls give up.
        gives_up_in: Duration,
    },
    /// The provider asked for a pause.
    Paused {
        /// What is left of it.
        ends_in: Duration,
    },
}

/// What a limiter allows at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Calls that may be in flight at once.
    pub allowed: u32,
    /// Calls that the provider refused because there were too many, since the limiter exists.
    pub refused: u64,
    /// What all calls have to wait for.
    pub standing: Option<Standing>,
}

/// Why a call failed without going out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// No connection was ever made.
    NeverReached {
        /// Time since the breaker opened.
        lasted: Duration,
    },
    /// The run has left: its calls need not go out any more.
    Left,
    /// The provider has been unreachable for this long.
    Unreachable {
        /// Time since the breaker opened.
        lasted: Duration,
    },
    /// The provider requested a pause longer than [`LimiterSettings::longest_outage`].
    Paused {
        /// The pause that the provider requested.
        wait: Duration,
    },
    /// What calls may cost in a day has been spent.
    DayUsedUp(UsedUp),
}

/// A limit on the cost of a day that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedUp {
    /// The limit in millionths of a dollar.
    pub limit: u64,
    /// What is left of it, less than the call may cost.
    pub left: u64,
    /// The day in days since 1970-01-01, in UTC.
    pub day: u64,
    /// Time until the next day begins.
    pub ends_in: Duration,
}
