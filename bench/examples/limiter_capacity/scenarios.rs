//! The scenarios: providers whose capacity changes, and their callers.

use gepa_testing::{CapacityPlan, Overload, Period};

/// One provider and its callers.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) plan: CapacityPlan,
    /// Tasks of each run, all of which call without a break.
    pub(crate) runs: Vec<usize>,
    /// Whether the client is configured with the minute limits, or has to find them.
    pub(crate) is_told: bool,
}

/// Every scenario, with its periods this many times as long as usual.
pub(crate) fn scenarios(scale: f64) -> Vec<Scenario> {
    let calls_at_once =
        |seconds: f64, capacity: usize| Period::concurrent(seconds * scale, capacity);
    let any = |seconds: f64| calls_at_once(seconds, usize::MAX);
    let answering = |status: u16, retry_after: Option<u64>| Overload::Refuse {
        status,
        retry_after,
    };
    let with = |overload: Overload, periods: Vec<Period>| CapacityPlan {
        overload,
        ..CapacityPlan::new(periods)
    };
    let one_run = |name, plan| Scenario {
        name,
        plan,
        runs: vec![300],
        is_told: false,
    };
    let steady = || CapacityPlan::new(vec![calls_at_once(60.0, 40)]);
    let steps = || {
        let capacities = [40, 10, 60, 25];
        let periods = capacities.map(|capacity| calls_at_once(40.0, capacity));
        CapacityPlan::new(periods.to_vec())
    };
    let sawtooth = (0..60).map(|step| calls_at_once(1.0, 20 + 2 * (step % 20)));
    let per_minute = || any(90.0).requests_per_minute(3_000);
    vec![
        one_run("steady 40", steady()),
        one_run("steps", steps()),
        one_run("sawtooth 20 to 58", CapacityPlan::new(sawtooth.collect())),
        one_run(
            "requests a minute",
            CapacityPlan::new(vec![per_minute(), any(60.0).requests_per_minute(1_500)]),
        ),
        one_run(
            "tokens a minute",
            CapacityPlan::new(vec![any(120.0).tokens_per_minute(1_200_000)]),
        ),
        Scenario {
            is_told: true,
            ..one_run("requests, told", CapacityPlan::new(vec![per_minute()]))
        },
        one_run(
            "outage of 5 s",
            CapacityPlan::new(vec![
                calls_at_once(30.0, 40),
                Period::concurrent(5.0, 0),
                calls_at_once(60.0, 40),
            ]),
        ),
        one_run(
            "Retry-After: 1",
            with(
                answering(429, Some(1)),
                vec![calls_at_once(60.0, 40), calls_at_once(60.0, 20)],
            ),
        ),
        one_run(
            "503 overloaded",
            with(answering(503, None), vec![calls_at_once(60.0, 40)]),
        ),
        one_run(
            "queues, never refuses",
            with(
                Overload::Queue,
                vec![calls_at_once(40.0, 40), calls_at_once(40.0, 20)],
            ),
        ),
        Scenario {
            runs: vec![250, 60, 16],
            ..one_run("three runs, steady 40", steady())
        },
        Scenario {
            runs: vec![250, 60, 22],
            ..one_run("three runs, steps", steps())
        },
    ]
}
