//! The limiter's own source under a scheduler that tries many interleavings of its tasks.
//!
//! The limiter is the one place where tasks of several runs share hand-written synchronisation. (A
//! run's budget ledger and slot pool belong to the one task that owns the run, so there is nothing
//! to interleave.) Here `tokio` and `parking_lot` are doubles from the model checker, which chooses
//! at every step which task continues. A lost wake-up shows as a deadlock.

#[path = "../../../evaluation/limiter/src/lib.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "no scenario needs every kind of limit"
)]
mod checked;
mod scenarios;

pub use scenarios::{
    calls_share_the_limit, cancelled_waiters_leave_the_queue, dropped_permits_come_back,
    throttled_calls_shrink_the_limit_and_never_stop_it,
};
