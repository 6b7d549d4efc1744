//! Every scenario under thousands of random schedules and under schedules with few preemptions.

use gepa_model_check::{
    calls_share_the_limit, cancelled_waiters_leave_the_queue, dropped_permits_come_back,
    throttled_calls_shrink_the_limit_and_never_stop_it,
};

const SCHEDULES: usize = 2_000;
const PREEMPTIONS: usize = 3;

fn check(scenario: fn()) {
    shuttle::check_random(scenario, SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, PREEMPTIONS);
}

#[test]
fn no_schedule_admits_more_calls_than_the_limit_or_forgets_one() {
    check(calls_share_the_limit);
}

#[test]
fn no_schedule_loses_a_permit_whose_holder_went_away() {
    check(dropped_permits_come_back);
}

#[test]
fn no_schedule_stops_at_a_lowered_limit() {
    check(throttled_calls_shrink_the_limit_and_never_stop_it);
}

#[test]
fn no_schedule_blocks_the_line_behind_a_caller_that_left() {
    check(cancelled_waiters_leave_the_queue);
}
