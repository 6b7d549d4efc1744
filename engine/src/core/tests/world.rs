//! A small deterministic world whose results arrive in any order one likes.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{ExampleId, FailureKind, Outcome, PromptTemplate, Scored, Usage};

use super::super::{Core, Work};
use crate::config::{
    BudgetSettings, Config, ExampleSets, MergeSettings, RunSettings, SearchSettings, Settings,
};
use crate::event::{EventBody, ReflectionSettled, RolloutSettled};
use crate::ids::Timestamp;
use crate::random::{ChaChaStreams, DrawPurpose, RandomSource};

fn ids(from: u64, count: u64) -> Vec<ExampleId> {
    (from..from + count).map(ExampleId::Seed).collect()
}

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) failing: bool,
    pub(crate) seed: u64,
}

impl World {
    pub(crate) fn new(gate_lag: u32, pareto_lag: u32) -> Self {
        let settings = Settings {
            run: RunSettings {
                gate_lag,
                pareto_lag,
                ..RunSettings::default()
            },
            search: SearchSettings {
                skip_perfect: true,
                ..SearchSettings::default()
            },
            merge: MergeSettings {
                enabled: true,
                ..MergeSettings::default()
            },
            budget: BudgetSettings {
                max_rollouts: Some(700),
                ..BudgetSettings::default()
            },
            ..Settings::default()
        };
        Self {
            settings,
            failing: false,
            seed: 3,
        }
    }

    pub(crate) fn core(&self) -> Core {
        let seed = Candidate::new([("plan", "a"), ("act", "b")]).unwrap();
        let sets = ExampleSets {
            train: ids(0, 20),
            pareto: ids(100, 12),
            validation: ids(200, 8),
        };
        let config = Config::new(seed, PromptTemplate::default(), sets, self.settings.clone());
        Core::start(
            Arc::new(config.unwrap()),
            true,
            Box::new(ChaChaStreams::new(self.seed)),
        )
    }

    /// What the world says to a piece of work: a function of the work alone.
    pub(crate) fn answer(&self, work: &Work) -> EventBody {
        match work {
            Work::Rollout(work) => {
                let noise = hash(&format!(
                    "{:?}{}",
                    work.candidate.content_id(),
                    work.example
                ));
                let outcome = if self.failing && noise.is_multiple_of(11) {
                    Outcome::failed(FailureKind::Transient, "overloaded")
                } else {
                    let length: usize = work.candidate.components().values().map(|t| t.len()).sum();
                    let threshold = 30 + 6 * length.min(10) as u64;
                    Outcome::Scored(Scored {
                        score: f64::from(u8::from(noise % 100 < threshold)),
                        ..Scored::default()
                    })
                };
                EventBody::RolloutSettled(Box::new(RolloutSettled {
                    trial: work.trial,
                    stage: work.stage,
                    candidate: work.candidate.content_id(),
                    position: work.position as u32,
                    example: work.example.clone(),
                    attempts: 1,
                    again: work.again,
                    started_at: Timestamp(0),
                    finished_at: Timestamp(0),
                    usage: Usage {
                        calls: 1,
                        prompt_tokens: 7,
                        ..Usage::default()
                    },
                    judge_usage: Usage::default(),
                    outcome,
                }))
            }
            Work::Reflection(work) => {
                let noise = hash(&work.prompt);
                let text = (!noise.is_multiple_of(7)).then(|| {
                    format!(
                        "{}{}",
                        work.rules.current,
                        char::from(b'c' + (noise % 20) as u8)
                    )
                });
                EventBody::ReflectionSettled(Box::new(ReflectionSettled {
                    iteration: work.iteration,
                    component: work.component.to_string(),
                    attempt: work.attempt,
                    started_at: Timestamp(0),
                    finished_at: Timestamp(0),
                    usage: Usage {
                        calls: 1,
                        completion_tokens: 3,
                        ..Usage::default()
                    },
                    reply: None,
                    text,
                    failure: None,
                }))
            }
            Work::DropQueued => unreachable!("not a question"),
        }
    }

    /// Runs to the end; `pick` chooses which open piece of work is answered next.
    pub(crate) fn run(&self, mut pick: impl FnMut(usize) -> usize) -> Journal {
        let mut core = self.core();
        let mut journal = Journal {
            entries: core.take_decisions(),
        };
        let mut open = core.take_work();
        while !core.is_finished() {
            assert!(!open.is_empty(), "the core waits for nothing: {core:?}");
            let work = open.swap_remove(pick(open.len()));
            let fact = self.answer(&work);
            core.settle(&fact);
            journal.entries.push(fact);
            journal.entries.extend(core.take_decisions());
            for work in core.take_work() {
                match work {
                    Work::DropQueued => open.clear(),
                    work => open.push(work),
                }
            }
        }
        journal
    }
}

pub(crate) struct Journal {
    pub(crate) entries: Vec<EventBody>,
}

impl Journal {
    /// The decisions without the order in which independent ones happened to be made.
    pub(crate) fn decisions(&self) -> Vec<String> {
        let mut decisions: Vec<String> = self
            .entries
            .iter()
            .filter(|entry| !entry.is_fact())
            .map(|entry| serde_json::to_string(entry).unwrap())
            .collect();
        decisions.sort();
        decisions
    }

    pub(crate) fn count(&self, of: impl Fn(&EventBody) -> bool) -> usize {
        self.entries.iter().filter(|entry| of(entry)).count()
    }
}

fn hash(text: &str) -> u64 {
    u64::from_le_bytes(
        blake3::hash(text.as_bytes()).as_bytes()[..8]
            .try_into()
            .unwrap(),
    )
}

pub(crate) fn shuffler(seed: u64) -> impl FnMut(usize) -> usize {
    let mut source = ChaChaStreams::new(seed);
    let mut draws = 0;
    move |open| {
        draws += 1;
        source.stream(DrawPurpose::Parent, draws).below(open)
    }
}
