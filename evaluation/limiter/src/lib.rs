//! One limiter per address and key, shared by every model of the process that uses them.
//!
//! Every run has a queue of its own, first come, first served. Runs take turns: the first calls of
//! all queues wait in one further queue, so one call of each run goes out in turn, however many
//! calls another run has waiting. Only the first call of that queue waits for the limits. A permit
//! is held for one attempt, never while backing off. Dropping a future at any point returns what it
//! held.

mod allowance;
mod breaker;
mod concurrency;
mod latency;
mod limiter;
mod pace;
mod quota;
mod refusal_filter;
pub mod shares;
mod sharing;
mod state;
mod terms;
mod window;

pub use limiter::{Limiter, Permit, RunQueue, Stay};
pub use terms::{
    Allowance, CallKind, Left, LimiterSettings, Load, Needs, Outage, Report, Standing, UsedUp,
};

#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;
