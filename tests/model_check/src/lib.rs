//! The limiter's own source under a scheduler that tries interleavings.
//!
//! The limiter is the one place where tasks of several runs meet under hand-written synchronisation.
//! (A run's budget ledger and slot pool belong to the one task that owns the run; there is nothing to
//! interleave.) Here `tokio` and `parking_lot` are the model checker's doubles, which decide at every
//! step who goes on. A wake-up that gets lost shows as a deadlock.

#[path = "../../../evaluation/limiter/src/lib.rs"]
#[expect(dead_code, reason = "no scenario needs every kind of limit")]
mod limiter;
mod scenarios;

pub use scenarios::{
    calls_share_the_limit, cancelled_waiters_leave_the_line, dropped_permits_come_back,
    throttled_calls_shrink_the_limit_and_never_stop_it,
};
