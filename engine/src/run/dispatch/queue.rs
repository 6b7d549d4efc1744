//! The rollouts that wait for a slot, in order.

use std::collections::{BTreeMap, VecDeque};

use crate::core::Priority;
use crate::ids::TrialKey;
use crate::run::facts::RolloutJob;

/// The first place in the queue; there is room in front of it.
const FIRST_PLACE: u64 = 1 << 32;

/// A place in the queue. The smallest goes first; no two are equal.
pub(super) type Place = (Priority, u64);

/// Rollouts by priority, then in the order in which they came.
#[derive(Debug)]
pub(super) struct Queue {
    /// Rollouts of one trial that came one after the other stand together in one entry, because trials are
    /// ordered whole.
    entries: BTreeMap<Place, VecDeque<RolloutJob>>,
    last: u64,
    /// The place before all others.
    front: u64,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            last: FIRST_PLACE,
            front: FIRST_PLACE,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a rollout behind the others of its priority.
    pub(super) fn push(&mut self, job: RolloutJob) {
        let priority = job.work.priority;
        let newest = self.entries.get_mut(&(priority, self.last));
        if let Some(jobs) = newest.filter(|jobs| is_of(jobs, job.work.trial)) {
            jobs.push_back(job);
        } else {
            self.last += 1;
            self.put((priority, self.last), job);
        }
    }

    /// Adds a rollout in front of the others of its priority.
    pub(super) fn push_front(&mut self, job: RolloutJob) {
        self.front -= 1;
        self.put((job.work.priority, self.front), job);
    }

    /// Takes the first rollout out.
    pub(super) fn pop(&mut self) -> Option<(Place, RolloutJob)> {
        let mut first = self.entries.first_entry()?;
        let place = *first.key();
        // No entry is empty.
        let job = first.get_mut().pop_front()?;
        if first.get().is_empty() {
            first.remove();
        }
        Some((place, job))
    }

    /// Puts a rollout back that was taken from this place.
    pub(super) fn put_back(&mut self, place: Place, job: RolloutJob) {
        self.entries.entry(place).or_default().push_front(job);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Takes out the rollouts that have had attempts, in order.
    pub(super) fn take_attempted(&mut self) -> Vec<RolloutJob> {
        let mut attempted = Vec::new();
        for jobs in self.entries.values_mut() {
            let (taken, kept) = std::mem::take(jobs)
                .into_iter()
                .partition::<VecDeque<_>, _>(|job| job.earlier.is_some());
            attempted.extend(taken);
            *jobs = kept;
        }
        self.entries.retain(|_, jobs| !jobs.is_empty());
        attempted
    }

    /// Takes out the rollouts of a trial, in order.
    pub(super) fn take_trial(&mut self, trial: TrialKey) -> Vec<RolloutJob> {
        let taken = self.entries.extract_if(.., |_, jobs| is_of(jobs, trial));
        taken.flat_map(|(_, jobs)| jobs).collect()
    }

    /// Gives the rollouts of a trial another priority.
    pub(super) fn move_trial(&mut self, trial: TrialKey, priority: Priority) {
        let moved = self.entries.extract_if(.., |_, jobs| is_of(jobs, trial));
        let moved: Vec<_> = moved.collect();
        for ((_, place), mut jobs) in moved {
            for job in &mut jobs {
                job.work.priority = priority;
            }
            self.entries.insert((priority, place), jobs);
        }
    }

    fn put(&mut self, place: Place, job: RolloutJob) {
        self.entries.insert(place, VecDeque::from([job]));
    }
}

fn is_of(jobs: &VecDeque<RolloutJob>, trial: TrialKey) -> bool {
    jobs.front().is_some_and(|job| job.work.trial == trial)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gepa_archive::Candidate;
    use gepa_evaluation::{ExampleId, Outcome, Stage, Usage};
    use proptest::prelude::*;

    use super::*;
    use crate::core::RolloutWork;
    use crate::run::facts::Earlier;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push { trial: u32, attempted: bool },
        PushFront { trial: u32 },
        Pop,
        PopAndPutBack,
        TakeTrial(u32),
        TakeAttempted,
        Move { trial: u32, to: u64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let trial = 0..4_u32;
        let push = (trial.clone(), any::<bool>());
        let step = prop_oneof![
            8 => push.prop_map(|(trial, attempted)| Step::Push { trial, attempted }),
            1 => trial.clone().prop_map(|trial| Step::PushFront { trial }),
            4 => Just(Step::Pop),
            2 => Just(Step::PopAndPutBack),
            1 => trial.clone().prop_map(Step::TakeTrial),
            1 => Just(Step::TakeAttempted),
            1 => (trial, 0..3_u64).prop_map(|(trial, to)| Step::Move { trial, to }),
        ];
        prop::collection::vec(step, 0..60)
    }

    fn key(trial: u32) -> TrialKey {
        TrialKey {
            iteration: 1,
            index: trial,
        }
    }

    fn job(seed: &Arc<Candidate>, trial: u32, number: u64, attempted: bool) -> RolloutJob {
        let mut job = RolloutJob::new(RolloutWork {
            trial: key(trial),
            stage: Stage::Seed,
            candidate: Arc::clone(seed),
            position: 0,
            example: ExampleId::Seed(number),
            again: false,
            priority: Priority::of_weakness(u64::from(trial % 2)),
        });
        job.earlier = attempted.then(|| {
            Box::new(Earlier {
                usage: Usage::default(),
                judge_usage: Usage::default(),
                failure: Outcome::score(0.0),
            })
        });
        job
    }

    fn numbers(jobs: impl IntoIterator<Item = RolloutJob>) -> Vec<String> {
        let named = jobs.into_iter().map(|job| job.work.example.to_string());
        named.collect()
    }

    /// Every rollout in an entry of its own.
    #[derive(Default)]
    struct Plain(BTreeMap<(Priority, i64), RolloutJob>);

    impl Plain {
        fn take(&mut self, taken: impl Fn(&RolloutJob) -> bool) -> Vec<RolloutJob> {
            let taken = self.0.extract_if(.., |_, job| taken(job));
            taken.map(|(_, job)| job).collect()
        }

        fn move_trial(&mut self, trial: TrialKey, to: Priority) {
            let moved = self.0.extract_if(.., |_, job| job.work.trial == trial);
            let moved: Vec<_> = moved.collect();
            for ((_, place), mut job) in moved {
                job.work.priority = to;
                self.0.insert((to, place), job);
            }
        }
    }

    proptest! {
        #[test]
        fn rollouts_leave_as_if_each_had_an_entry_of_its_own(steps in steps()) {
            let seed = Arc::new(Candidate::new([("text", "x")]).unwrap());
            let (mut queue, mut plain) = (Queue::new(), Plain::default());
            for (number, step) in (1..).zip(steps) {
                let new = |trial, attempted| job(&seed, trial, number, attempted);
                let place = i64::try_from(number).unwrap();
                match step {
                    Step::Push { trial, attempted } => {
                        queue.push(new(trial, attempted));
                        let job = new(trial, attempted);
                        plain.0.insert((job.work.priority, place), job);
                    }
                    Step::PushFront { trial } => {
                        queue.push_front(new(trial, true));
                        let job = new(trial, true);
                        plain.0.insert((job.work.priority, -place), job);
                    }
                    Step::Pop => {
                        let popped = queue.pop().map(|(_, job)| job);
                        let expected = plain.0.pop_first().map(|(_, job)| job);
                        prop_assert_eq!(numbers(popped), numbers(expected));
                    }
                    Step::PopAndPutBack => {
                        if let Some((place, job)) = queue.pop() {
                            queue.put_back(place, job);
                        }
                    }
                    Step::TakeTrial(trial) => {
                        let expected = plain.take(|job| job.work.trial == key(trial));
                        prop_assert_eq!(numbers(queue.take_trial(key(trial))), numbers(expected));
                    }
                    Step::TakeAttempted => {
                        let expected = plain.take(|job| job.earlier.is_some());
                        prop_assert_eq!(numbers(queue.take_attempted()), numbers(expected));
                    }
                    Step::Move { trial, to } => {
                        let to = Priority::of_weakness(to);
                        queue.move_trial(key(trial), to);
                        plain.move_trial(key(trial), to);
                    }
                }
                prop_assert_eq!(queue.is_empty(), plain.0.is_empty());
            }
        }
    }
}
