//! The time of a run in equal steps, and what was in progress in each.

use gepa_evaluation::Phase;
use serde::Serialize;

use super::clock::WorkClock;
use super::missing::why_no_limits;
use super::notes::LimitNotes;
use crate::ids::Timestamp;
use crate::record::{ReflectionRow, RolloutRow, RunRow, RunSummary};

/// Steps that the time of a run is divided into.
const STEPS: i64 = 120;

/// The shortest step, in microseconds.
const SHORTEST: i64 = 1_000;

/// What takes a slot.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The phase of a rollout; `None` for a reflection.
    pub phase: Option<Phase>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Attempts made, at least 1.
    pub attempts: u32,
    /// Whether it failed.
    pub failed: bool,
}

/// Slots and limits over the time of a run.
#[derive(Clone, Debug)]
pub struct Occupancy {
    clock: WorkClock,
    width: i64,
    has_rests: bool,
    /// Microseconds in progress by kind: optimization, validation, reflection.
    whole: [Sums; 3],
    steps: Vec<OccupancyStep>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OccupancyStep {
    /// Its beginning, in seconds of work.
    pub from_seconds: f64,
    /// Its end, in seconds of work.
    pub to_seconds: f64,
    /// Its beginning by the clock.
    pub started_at: Timestamp,
    /// Rollouts of the search in progress, on average over the step.
    pub optimization: f64,
    /// Rollouts of the final scoring in progress, on average over the step.
    pub validation: f64,
    /// Calls of the reflection model in progress, on average over the step.
    pub reflection: f64,
    /// Rollouts and reflections that ended in it.
    pub ended: u64,
    /// Attempts after the first of the rollouts that ended in it.
    pub retries: u64,
    /// Rollouts and reflections that ended in it and failed.
    pub failed: u64,
    /// Seconds of the pauses that began in it; `None` if that was not recorded.
    pub paused_seconds: Option<f64>,
    /// Seconds without a process, from a stop in it; `None` if that was not recorded.
    pub stopped_seconds: Option<f64>,
    /// The limits on model calls; `None` if they were not recorded.
    pub limits: Option<Vec<StepLimit>>,
    /// Why no limit was recorded; `None` if some were.
    pub limits_missing: Option<&'static str>,
}

/// The limit on calls to one provider in one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepLimit {
    /// The provider.
    pub provider: String,
    /// Calls that might be in flight at once, at the end of the step.
    pub allowed: u32,
    /// Calls that the provider refused.
    pub refused: u64,
    /// Whether at some moment no call went out, because the provider was down or requested a pause.
    pub closed: bool,
}

/// Differences between neighbouring steps, so that a long call costs as much as a short one.
#[derive(Clone, Debug)]
struct Sums {
    /// Microseconds in the step itself.
    part: Vec<i64>,
    /// By how many calls that fill whole steps this step has more than the one before it.
    more: Vec<i64>,
}

impl Call {
    /// An executed rollout.
    pub fn rollout(row: &RolloutRow) -> Self {
        Self {
            phase: Some(row.phase),
            started_at: row.started_at,
            finished_at: row.finished_at,
            attempts: row.attempts,
            failed: row.failure.is_some(),
        }
    }

    /// A call of the reflection model.
    pub fn reflection(row: &ReflectionRow) -> Self {
        Self {
            phase: None,
            started_at: row.started_at,
            finished_at: row.finished_at,
            attempts: 1,
            failed: row.failure.is_some(),
        }
    }
}

impl Sums {
    fn new(steps: usize) -> Self {
        Self {
            part: vec![0; steps],
            more: vec![0; steps + 1],
        }
    }

    fn add(&mut self, from: i64, to: i64, width: i64) {
        let (first, last) = ((from / width) as usize, (to / width) as usize);
        let mut part = |step: usize, micros: i64| {
            if let Some(part) = self.part.get_mut(step) {
                *part += micros;
            }
        };
        if first == last {
            part(first, to - from);
            return;
        }
        part(first, (first as i64 + 1) * width - from);
        part(last, to - last as i64 * width);
        for (step, change) in [(first + 1, 1), (last, -1)] {
            if let Some(more) = self.more.get_mut(step) {
                *more += change;
            }
        }
    }
}

impl Occupancy {
    /// The empty steps of a run as it stands; none if it has not begun.
    pub fn new(summary: &RunSummary) -> Self {
        let clock = WorkClock::of(summary);
        let whole = clock.whole();
        let width = SHORTEST.max((whole + STEPS - 1) / STEPS);
        let count = if summary.started_at.is_none() {
            0
        } else {
            ((whole + width - 1) / width).max(1)
        };
        let has_rests = summary.rests.is_some();
        let steps = (0..count).map(|step| {
            let (from, to) = (step * width, ((step + 1) * width).min(whole));
            OccupancyStep {
                from_seconds: from as f64 / 1e6,
                to_seconds: to as f64 / 1e6,
                started_at: clock.time_at(from),
                optimization: 0.0,
                validation: 0.0,
                reflection: 0.0,
                ended: 0,
                retries: 0,
                failed: 0,
                paused_seconds: has_rests.then_some(0.0),
                stopped_seconds: has_rests.then_some(0.0),
                limits: None,
                limits_missing: None,
            }
        });
        let steps: Vec<_> = steps.collect();
        let mut occupancy = Self {
            width,
            has_rests,
            whole: [(); 3].map(|()| Sums::new(steps.len())),
            steps,
            clock,
        };
        occupancy.add_rests();
        occupancy
    }

    /// Adds what took a slot.
    pub fn add(&mut self, call: &Call) {
        let from = self.clock.micros(call.started_at);
        let to = self.clock.micros(call.finished_at).max(from);
        let kind = match call.phase {
            Some(Phase::Optimization) => 0,
            Some(Phase::Validation) => 1,
            None => 2,
        };
        if let Some(sums) = self.whole.get_mut(kind) {
            sums.add(from, to, self.width);
        }
        if let Some(step) = self.step_at(to) {
            step.ended += 1;
            step.retries += u64::from(call.attempts.saturating_sub(1));
            step.failed += u64::from(call.failed);
        }
    }

    /// Adds what the limits on model calls were.
    /// Says why where the run has none.
    pub fn add_notes(&mut self, notes: &LimitNotes, run: &RunRow) {
        let missing = notes.iter().next().is_none().then(|| why_no_limits(run));
        for step in &mut self.steps {
            step.limits_missing = missing;
        }
        let mut notes = notes
            .iter()
            .map(|(at, limits)| (self.clock.micros(at), limits))
            .peekable();
        let mut in_force: Option<Vec<StepLimit>> = None;
        let last = self.steps.len().saturating_sub(1);
        for (place, step) in self.steps.iter_mut().enumerate() {
            let end = (place as i64 + 1) * self.width;
            let mut closed: Vec<String> = Vec::new();
            let mut refused: Vec<(String, u64)> = Vec::new();
            while let Some((_, limits)) = notes.next_if(|(at, _)| *at < end || place == last) {
                for limit in limits {
                    if limit.closed.is_some() {
                        closed.push(limit.provider.clone());
                    }
                    refused.push((limit.provider.clone(), limit.refused));
                }
                in_force = Some(
                    limits
                        .iter()
                        .map(|limit| StepLimit {
                            provider: limit.provider.clone(),
                            allowed: limit.allowed,
                            refused: 0,
                            closed: limit.closed.is_some(),
                        })
                        .collect(),
                );
            }
            step.limits = in_force.clone().map(|mut limits| {
                for limit in &mut limits {
                    let of_it = refused.iter();
                    let of_it = of_it.filter(|(provider, _)| *provider == limit.provider);
                    limit.refused = of_it.map(|(_, count)| count).sum();
                    limit.closed |= closed.contains(&limit.provider);
                }
                limits
            });
        }
    }

    /// The steps, oldest first.
    pub fn steps(&self) -> Vec<OccupancyStep> {
        let mut running = [0_i64; 3];
        let mut steps = self.steps.clone();
        for (place, step) in steps.iter_mut().enumerate() {
            let length = (step.to_seconds - step.from_seconds) * 1e6;
            let mut means = [0.0; 3];
            for ((sums, running), mean) in self.whole.iter().zip(&mut running).zip(&mut means) {
                *running += sums.more.get(place).copied().unwrap_or_default();
                let part = sums.part.get(place).copied().unwrap_or_default();
                let micros = part as f64 + *running as f64 * self.width as f64;
                // A step as short as the run itself may be empty.
                *mean = if length > 0.0 { micros / length } else { 0.0 };
            }
            [step.optimization, step.validation, step.reflection] = means;
        }
        steps
    }

    /// Whether pauses and the time without a process were recorded.
    pub fn has_rests(&self) -> bool {
        self.has_rests
    }

    fn add_rests(&mut self) {
        let rests: Vec<_> = self.clock.rests().collect();
        for (at, rest) in rests {
            let seconds = rest.to.seconds_since(rest.from);
            if let Some(step) = self.step_at(at) {
                let sum = if rest.paused {
                    &mut step.paused_seconds
                } else {
                    &mut step.stopped_seconds
                };
                *sum = sum.map(|sum| sum + seconds);
            }
        }
    }

    fn step_at(&mut self, micros: i64) -> Option<&mut OccupancyStep> {
        let last = self.steps.len().checked_sub(1)?;
        self.steps
            .get_mut(((micros / self.width) as usize).min(last))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Rest;

    fn call(phase: Option<Phase>, from: i64, to: i64) -> Call {
        Call {
            phase,
            started_at: Timestamp(from),
            finished_at: Timestamp(to),
            attempts: 2,
            failed: false,
        }
    }

    proptest! {
        /// The plain way counts every call in every step.
        #[test]
        fn each_step_has_what_was_in_progress_in_it(
            length in 1..3_000_000_i64,
            rests in proptest::collection::vec((0..3_000_000_i64, 1..500_000_i64), 0..4),
            calls in proptest::collection::vec((0..3_000_000_i64, 0..3_000_000_i64, 0..3_usize), 0..20),
        ) {
            let mut began: Vec<(i64, i64)> = rests.iter().map(|(from, size)| (from % length, *size)).collect();
            began.sort_unstable();
            let mut end = 0;
            let mut apart = Vec::new();
            for (from, size) in began {
                let to = (from + size).min(length);
                if from > end && to > from {
                    apart.push(Rest { from: Timestamp(from), to: Timestamp(to), paused: true });
                    end = to;
                }
            }
            let summary = RunSummary {
                started_at: Some(Timestamp(0)),
                updated_at: Some(Timestamp(length)),
                rests: Some(apart),
                ..RunSummary::default()
            };
            let clock = WorkClock::of(&summary);
            let mut occupancy = Occupancy::new(&summary);
            let kinds = [Some(Phase::Optimization), Some(Phase::Validation), None];
            let calls: Vec<Call> = calls
                .iter()
                .map(|(from, size, kind)| call(kinds[*kind], *from, from + size))
                .collect();
            for call in &calls {
                occupancy.add(call);
            }
            let steps = occupancy.steps();
            prop_assert!(steps.len() <= STEPS as usize);
            prop_assert_eq!(steps.iter().map(|step| step.ended).sum::<u64>(), calls.len() as u64);
            prop_assert_eq!(steps.iter().map(|step| step.retries).sum::<u64>(), calls.len() as u64);
            let whole = clock.whole() as f64 / 1e6;
            prop_assert!((steps.last().unwrap().to_seconds - whole).abs() < 1e-9);
            for step in &steps {
                let length = step.to_seconds - step.from_seconds;
                let in_progress = |phase: Option<Phase>| {
                    let of_kind = calls.iter().filter(|call| call.phase == phase);
                    let seconds = of_kind.map(|call| {
                        let from = clock.micros(call.started_at) as f64 / 1e6;
                        let to = clock.micros(call.finished_at) as f64 / 1e6;
                        (to.min(step.to_seconds) - from.max(step.from_seconds)).max(0.0)
                    });
                    if length > 0.0 { seconds.sum::<f64>() / length } else { 0.0 }
                };
                let expected = kinds.map(in_progress);
                let found = [step.optimization, step.validation, step.reflection];
                for (found, expected) in found.into_iter().zip(expected) {
                    prop_assert!((found - expected).abs() < 1e-6, "{} {}", found, expected);
                }
            }
        }
    }

    #[test]
    fn a_run_that_has_not_begun_has_no_steps() {
        let mut occupancy = Occupancy::new(&RunSummary::default());
        occupancy.add(&call(None, 0, 5));
        assert!(occupancy.steps().is_empty());
    }

    #[test]
    fn limits_hold_until_the_next_note_and_refusals_are_counted_once() {
        let one_limit = |allowed, refused, closed| {
            vec![crate::event::NotedLimit {
                provider: "p".to_owned(),
                allowed,
                refused,
                closed,
            }]
        };
        let summary = RunSummary {
            started_at: Some(Timestamp(0)),
            updated_at: Some(Timestamp(120_000_000)),
            ..RunSummary::default()
        };
        let mut run = run_of(summary);
        let mut occupancy = Occupancy::new(&run.summary);
        let down = Some(gepa_evaluation::CallsClosed::Down);
        let notes = LimitNotes::from_iter([
            (Timestamp(2_200_000), one_limit(8, 1, down)),
            (Timestamp(2_700_000), one_limit(4, 2, None)),
            (Timestamp(120_000_000), one_limit(5, 3, None)),
        ]);
        occupancy.add_notes(&notes, &run);
        let steps = occupancy.steps();
        let told = |place: usize| {
            let limits = steps[place].limits.as_ref()?;
            Some((limits[0].allowed, limits[0].refused, limits[0].closed))
        };
        assert_eq!(steps[0].paused_seconds, None, "it was not recorded");
        assert_eq!(told(1), None);
        assert_eq!(told(2), Some((4, 3, true)));
        assert_eq!(told(3), Some((4, 0, false)));
        assert_eq!(told(119), Some((5, 3, false)));
        assert_eq!(steps[0].limits_missing, None);

        let why = |run: &RunRow| {
            let mut occupancy = Occupancy::new(&run.summary);
            occupancy.add_notes(&LimitNotes::default(), run);
            occupancy.steps()[0].limits_missing.unwrap()
        };
        assert!(why(&run).contains("a version before 0.2"));
        run.summary.rests = Some(Vec::new());
        assert!(why(&run).contains("a program began the run"));
        run.config = serde_json::json!({"settings": {"workers": {"queue": "nats://q"}}});
        assert!(why(&run).contains("workers make the model calls"));
        run.config = serde_json::json!({"settings": {}});
        assert!(why(&run).contains("no model of the run has a limit"));
    }

    fn run_of(summary: RunSummary) -> RunRow {
        RunRow {
            run_id: "pl_0123456789abcdef".parse().unwrap(),
            name: "a run".to_owned(),
            created_at: Timestamp(0),
            config: serde_json::json!({}),
            policy_provider: "none".to_owned(),
            policy_model: "none".to_owned(),
            template: gepa_evaluation::PromptTemplate::default(),
            pareto: Vec::new(),
            validation: Vec::new(),
            summary,
        }
    }
}
