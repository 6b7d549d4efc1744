//! A small deterministic world whose results can arrive in any order.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{ExampleId, FailureKind, Outcome, PromptTemplate, Scored, Stage, Usage};
use indexmap::IndexMap;

use super::super::{Core, ReflectionWork, Work};
use crate::config::{
    BudgetSettings, Config, Evaluation, ExampleSets, MergeSettings, Overlap, RunSettings,
    SearchSettings, Settings,
};
use crate::event::{
    Decision, EventBody, Fact, ReflectionSettled, RolloutSettled, RolloutsDropped, RunFinished,
    RunResumed, SteeredBy, StopRequested,
};
use crate::ids::{Timestamp, TrialKey};
use crate::policy::Policies;
use crate::policy::laws::InTwoSteps;
use crate::random::{ChaChaStreams, DrawPurpose, RandomSource};
use crate::reflection::{request_texts, tried};

fn ids(from: u64, count: u64) -> Vec<ExampleId> {
    (from..from + count).map(ExampleId::Seed).collect()
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a feature of the world that tests combine freely"
)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) failing: bool,
    /// Some training examples are pareto examples as well.
    pub(crate) overlapping: bool,
    /// Rows of pareto scores grow in two steps.
    pub(crate) growing: bool,
    /// Scores are any numbers, with two further objectives.
    pub(crate) graded: bool,
    /// The same candidate gets another outcome when an example is run again, and nothing is reused.
    pub(crate) varying: bool,
    /// Reflections of the same text give one of two texts.
    pub(crate) repeating: bool,
    /// Examples in the pareto set.
    pub(crate) pareto: u64,
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
                allow_overlap: vec![Overlap::TrainPareto],
                evaluation: Evaluation::Full,
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
            overlapping: false,
            growing: false,
            graded: false,
            varying: false,
            repeating: false,
            pareto: 12,
            seed: 3,
        }
    }

    pub(crate) fn core(&self) -> Core {
        let policies = if self.growing {
            Policies::new().evaluation(InTwoSteps)
        } else {
            Policies::new()
        };
        let random = Box::new(ChaChaStreams::new(self.seed));
        let mut core = Core::new(Arc::new(self.config()), !self.varying, random, policies);
        core.begin();
        core
    }

    fn config(&self) -> Config {
        let seed = Candidate::new([("plan", "a"), ("act", "b")]).unwrap();
        let sets = ExampleSets {
            train: ids(0, 20),
            pareto: ids(if self.overlapping { 14 } else { 100 }, self.pareto),
            validation: ids(20_000, 8),
        };
        Config::new(seed, PromptTemplate::default(), sets, self.settings.clone()).unwrap()
    }

    /// The world's answer to a piece of work. It depends on the work alone.
    pub(crate) fn answer(&self, work: &Work) -> Fact {
        match work {
            Work::Rollout(work) => {
                let call = self.varying.then_some(work.trial);
                let noise = hash(&format!(
                    "{:?}{}{}",
                    work.candidate.content_id(),
                    work.example,
                    call.map_or(String::new(), |call| format!("{call:?}"))
                ));
                let outcome = if self.failing && noise.is_multiple_of(11) {
                    Outcome::failed(FailureKind::Transient, "overloaded")
                } else {
                    let length: usize = work.candidate.components().values().map(|t| t.len()).sum();
                    let threshold = 30 + 6 * length.min(10) as u64;
                    if self.graded {
                        Outcome::Scored(graded(noise, threshold))
                    } else {
                        Outcome::Scored(Scored {
                            score: f64::from(u8::from(noise % 100 < threshold)),
                            ..Scored::default()
                        })
                    }
                };
                Fact::RolloutSettled(Box::new(RolloutSettled {
                    again: work.again,
                    usage: Usage {
                        calls: 1,
                        prompt_tokens: 7,
                        ..Usage::default()
                    },
                    ..RolloutSettled::new(
                        work.trial,
                        work.stage,
                        work.candidate.content_id(),
                        work.position as u32,
                        work.example.clone(),
                        outcome,
                    )
                }))
            }
            Work::Reflection(work) => {
                let noise = hash(&self.prompt(work));
                let text_of = |number: u32| {
                    let letter = (noise >> (5 * number)) % if self.repeating { 2 } else { 20 };
                    let letter = char::from(b'c' + letter as u8);
                    format!("{}{letter}", work.rules.current)
                };
                let text = (!noise.is_multiple_of(7)).then(|| text_of(0));
                // Some replies hold fewer texts than requested.
                let most = work.texts.min(1 + (noise % 4) as u32);
                let alternatives = text.iter().flat_map(|_| (1..most).map(text_of)).collect();
                Fact::ReflectionSettled(Box::new(ReflectionSettled {
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
                    messages: Vec::new(),
                    reply: None,
                    text,
                    alternatives,
                    failure: None,
                    overlong: noise.is_multiple_of(14).then(|| text_of(0)),
                    refused_texts: Vec::new(),
                    copying: 0,
                }))
            }
            Work::DropQueued | Work::DropTrial(_) | Work::Move(..) => {
                unreachable!("not a question")
            }
        }
    }

    /// What a reflection model would be asked.
    fn prompt(&self, work: &ReflectionWork) -> String {
        let records = work.records.iter();
        let records: Vec<_> = records
            .map(|record| record.headings(&work.component))
            .collect();
        let config = self.config();
        let template = &config.templates()[&work.component];
        let current = &work.rules.current;
        let mut prompt = template.render(&work.component, current, &records, usize::MAX);
        if let Some(tried) = tried(&work.component, current, &work.earlier) {
            prompt.push_str(&tried);
        }
        if work.texts > 1 {
            prompt.push_str(&request_texts(work.texts));
        }
        prompt
    }

    /// Runs to the end. `pick` chooses the open piece of work that is answered next.
    pub(crate) fn run(&self, pick: impl FnMut(usize) -> usize) -> Journal {
        let mut core = self.core();
        let entries = made(&mut core);
        let open = core.take_work();
        self.go_on(core, Journal { entries }, open, pick)
    }

    /// Resumes a run whose `facts` are stored, and runs it to the end.
    pub(crate) fn resume(&self, facts: &[Fact], pick: impl FnMut(usize) -> usize) -> Journal {
        let mut core = self.core();
        let mut entries = made(&mut core);
        let resumed = Fact::RunResumed(RunResumed {
            engine_version: "test".to_owned(),
        });
        for fact in facts.iter().chain([&resumed]) {
            core.settle(fact);
            entries.push(fact.clone().into());
            entries.extend(made(&mut core));
        }
        let open = core.outstanding();
        self.go_on(core, Journal { entries }, open, pick)
    }

    fn go_on(
        &self,
        mut core: Core,
        mut journal: Journal,
        open: Vec<Work>,
        mut pick: impl FnMut(usize) -> usize,
    ) -> Journal {
        let mut open: Vec<Open> = open.into_iter().map(Open::Work).collect();
        while !core.is_finished() {
            if open.is_empty() && core.has_failed() {
                let reason = core.stop_reason().cloned().unwrap();
                let by = SteeredBy::default();
                let stop = StopRequested { reason, by };
                open.push(Open::Fact(Fact::StopRequested(stop)));
            }
            assert!(!open.is_empty(), "the core waits for nothing: {core:?}");
            let fact = match open.swap_remove(pick(open.len())) {
                Open::Work(work) => self.answer(&work),
                Open::Fact(fact) => fact,
            };
            core.settle(&fact);
            journal.entries.push(fact.into());
            journal.entries.extend(made(&mut core));
            for work in core.take_work() {
                match work {
                    Work::DropQueued => open.clear(),
                    Work::DropTrial(trial) => drop_half(&mut open, trial),
                    Work::Move(..) => {}
                    work => open.push(Open::Work(work)),
                }
            }
        }
        journal
    }
}

/// The work that the core waits for.
enum Open {
    Work(Work),
    Fact(Fact),
}

/// Every other rollout of the trial is in flight; the others never began.
fn drop_half(open: &mut Vec<Open>, trial: TrialKey) {
    let mut positions = Vec::new();
    open.retain(|one| match one {
        Open::Work(Work::Rollout(work)) if work.trial == trial => {
            let in_flight = work.position.is_multiple_of(2);
            if !in_flight {
                positions.push(work.position as u32);
            }
            in_flight
        }
        _ => true,
    });
    if !positions.is_empty() {
        positions.sort_unstable();
        let dropped = RolloutsDropped { trial, positions };
        open.push(Open::Fact(Fact::RolloutsDropped(dropped)));
    }
}

pub(crate) struct Journal {
    pub(crate) entries: Vec<EventBody>,
}

impl Journal {
    /// The decisions in sorted order, so that the order of independent ones does not count.
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

    /// All entries, without saying which of several proposals bought an outcome for their gates: of two with
    /// the same text in flight, either may buy it for both.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let purchase = |settled: &RolloutSettled| {
            let mut settled = settled.clone();
            if is_of_gate(settled.stage) {
                settled.stage = Stage::MinibatchChild;
                settled.trial = TrialKey {
                    iteration: 0,
                    index: 0,
                };
                settled.position = 0;
            }
            EventBody::from(Fact::RolloutSettled(Box::new(settled)))
        };
        self.entries.iter().map(move |entry| match entry {
            EventBody::Fact(Fact::RolloutSettled(settled)) => line(&purchase(settled)),
            entry => line(entry),
        })
    }

    pub(crate) fn facts(&self) -> Vec<Fact> {
        let facts = self.entries.iter().filter_map(EventBody::fact);
        facts.cloned().collect()
    }

    /// The decisions in the order made.
    pub(crate) fn decided(&self) -> Vec<Decision> {
        let decisions = self.entries.iter().filter_map(EventBody::decision);
        decisions.cloned().collect()
    }

    pub(crate) fn end(&self) -> &RunFinished {
        let end = self.entries.iter().find_map(|entry| match entry {
            EventBody::Decision(Decision::RunFinished(finished)) => Some(&**finished),
            _ => None,
        });
        end.expect("every run ends")
    }

    pub(crate) fn count(&self, of: impl Fn(&EventBody) -> bool) -> usize {
        self.entries.iter().filter(|entry| of(entry)).count()
    }
}

/// A score between -40 and 260 that rises with `threshold`, and the scores of two objectives. The
/// second one is not always there.
fn graded(noise: u64, threshold: u64) -> Scored {
    let part = |shift: u32, modulus: u64| ((noise >> shift) % modulus) as f64;
    let mut objectives = IndexMap::new();
    objectives.insert("speed".into(), part(9, 5));
    if !noise.is_multiple_of(3) {
        objectives.insert("brevity".into(), part(17, 100) + threshold as f64);
    }
    Scored {
        score: part(0, 200) + threshold as f64 - 70.0,
        objectives,
        ..Scored::default()
    }
}

fn line(entry: &EventBody) -> String {
    serde_json::to_string(entry).unwrap()
}

/// Whether a rollout is of a minibatch.
pub(crate) fn is_of_gate(stage: Stage) -> bool {
    matches!(stage, Stage::MinibatchParent | Stage::MinibatchChild)
}

fn made(core: &mut Core) -> Vec<EventBody> {
    let decisions = core.take_decisions().into_iter();
    decisions.map(EventBody::from).collect()
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
