//! One run on a world, and how its best candidate got better.

use std::collections::HashMap;
use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex, ContentId};
use gepa_bench::schedules::Mode;
use gepa_bench::worlds::{Conditions, LARGEST_SET, Search, Split, World};
use gepa_engine::{Decision, Event, EventBody, Fact, Leader, Settings};
use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::time::Instant;

const TRAINING_EXAMPLES: usize = 60;

/// The course of a run.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// The seed first, then each new best.
    steps: Vec<Step>,
    rollouts: u64,
    /// Seconds of virtual time until the end.
    pub(crate) seconds: f64,
    /// Candidates accepted beside the seed.
    pub(crate) accepted: u64,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    seconds: f64,
    rollouts: u64,
    /// Exact, on the hidden test set.
    test: f64,
    /// As measured.
    pareto: f64,
}

struct Watch {
    world: Arc<World>,
    began: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    texts: HashMap<ContentId, Candidate>,
    /// The contents of the members.
    members: Vec<ContentId>,
    best: Option<CandidateIndex>,
    steps: Vec<Step>,
    rollouts: u64,
    accepted: u64,
}

impl Course {
    pub(crate) fn seed_score(&self) -> f64 {
        self.steps.first().map_or(0.0, |step| step.test)
    }

    pub(crate) fn final_score(&self) -> f64 {
        self.steps.last().map_or(0.0, |step| step.test)
    }

    /// When the score on the hidden test set changed, and by how much.
    pub(crate) fn rises(&self) -> impl Iterator<Item = (f64, f64)> {
        let pairs = self.steps.iter().zip(self.steps.iter().skip(1));
        pairs.map(|(before, after)| (after.seconds, after.test - before.test))
    }

    /// Averaged over the rollouts of the run.
    pub(crate) fn mean_score(&self) -> f64 {
        let ends = self.steps.iter().skip(1).map(|step| step.rollouts);
        let ends = ends.chain([self.rollouts]);
        let weighted = self.steps.iter().zip(ends).map(|(step, end)| {
            let from = if step.rollouts == self.steps[0].rollouts {
                0
            } else {
                step.rollouts
            };
            step.test * end.saturating_sub(from) as f64
        });
        weighted.sum::<f64>() / self.rollouts as f64
    }

    /// A pareto score nine tenths of the way from the seed's to the last.
    pub(crate) fn goal(&self) -> f64 {
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else {
            return 0.0;
        };
        first.pareto + 0.9 * (last.pareto - first.pareto)
    }

    /// When the run first had a candidate with this pareto score.
    pub(crate) fn seconds_to(&self, goal: f64) -> Option<f64> {
        let step = self.steps.iter().find(|step| step.pareto >= goal)?;
        Some(step.seconds)
    }
}

/// Runs the engine once in virtual time.
pub(crate) fn follow(
    world: &Arc<World>,
    mode: &Mode,
    slots: u32,
    pareto: usize,
    rollouts: u64,
) -> Course {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    let mut settings = Settings::default();
    settings.run.seed = world.seed();
    settings.run.max_concurrent = slots;
    settings.reflection.max_concurrent = 1_000;
    settings.budget.max_rollouts = Some(rollouts);
    mode.apply(&mut settings);
    let search = Search {
        world: Arc::clone(world),
        conditions: Conditions {
            policy_ms: 2_000.0,
            policy_sigma: 0.6,
            reflector_ms: 20_000.0,
            reflector_sigma: 0.35,
            ..Conditions::default()
        },
        settings,
        train: TRAINING_EXAMPLES,
        pareto,
        validation: 0,
    };
    runtime.block_on(run(&search))
}

async fn run(search: &Search) -> Course {
    let began = Instant::now();
    let watch = Watch {
        world: Arc::clone(&search.world),
        began,
        seen: Mutex::default(),
    };
    let finished = search.finish_watched(|events| watch.see(events)).await;
    finished.expect("the settings are valid and cover a proposal");
    let seconds = began.elapsed().as_secs_f64();
    let seen = watch.seen.lock();
    Course {
        steps: seen.steps.clone(),
        rollouts: seen.rollouts,
        seconds,
        accepted: seen.accepted,
    }
}

impl Watch {
    fn see(&self, events: &[Event]) {
        let mut seen = self.seen.lock();
        for event in events {
            match &event.body {
                EventBody::Decision(Decision::RunStarted(started)) => {
                    let first = started.seed.clone();
                    seen.texts.insert(first.content_id(), first);
                }
                EventBody::Fact(Fact::RolloutSettled(_)) => seen.rollouts += 1,
                EventBody::Decision(Decision::CandidateProposed(proposed)) => {
                    let candidate = proposed.candidate.clone();
                    seen.texts.insert(candidate.content_id(), candidate);
                }
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                    seen.accepted += u64::from(accepted.iteration > 0);
                    seen.members.push(accepted.candidate);
                    let own = (accepted.index, accepted.mean_score);
                    match accepted.leader {
                        Some(leader) => self.follow(&mut seen, best_of(&leader)),
                        None if accepted.best => self.follow(&mut seen, own),
                        None => {}
                    }
                }
                EventBody::Decision(Decision::RowExtended(extended)) => {
                    self.follow(&mut seen, best_of(&extended.leader));
                }
                _ => {}
            }
        }
    }

    /// Notes the best candidate with its pareto score, if it is another one than before.
    fn follow(&self, seen: &mut Seen, (best, pareto): (CandidateIndex, f64)) {
        if seen.best == Some(best) {
            return;
        }
        seen.best = Some(best);
        let content = seen.members[best.position()];
        let candidate = seen.texts.get(&content);
        let text = candidate.and_then(|candidate| candidate.text("instruction"));
        let reading = self.world.read(text.map_or("", |text| text));
        let step = Step {
            seconds: self.began.elapsed().as_secs_f64(),
            rollouts: seen.rollouts,
            test: self.world.expected(&reading, Split::Test, LARGEST_SET),
            pareto,
        };
        seen.steps.push(step);
    }
}

/// Estimates make rows of different length comparable.
fn best_of(leader: &Leader) -> (CandidateIndex, f64) {
    (leader.candidate, leader.estimate.mean)
}
