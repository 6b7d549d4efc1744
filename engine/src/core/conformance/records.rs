//! A core's generations, in the form of the recordings.

use std::collections::{BTreeMap, BTreeSet};

use gepa_archive::{Candidate, CandidateIndex, FrontKey, Origin};
use gepa_evaluation::ExampleId;
use serde_json::{Map, Value, json};

use super::driver::{Driver, Generation, key, texts};
use super::rules::MergesDue;
use crate::core::proposal::CHILD_TRIAL;
use crate::core::row::PARETO_TRIAL;
use crate::event::{
    CandidateAccepted, CloseReason, Decision, GateDecided, ProposalClosed, ProposalIssued,
    TrialStarted,
};
use crate::ids::TrialKey;
use crate::random::DrawPurpose;

/// Writes records and counts in the way of the reference.
pub(super) struct Recorder {
    /// Metric calls, repeats included.
    pub(super) calls: u64,
    pub(super) merges: MergesDue,
    /// The number of metric calls before each candidate's own calls.
    pub(super) discovery: Vec<u64>,
    tried_merges: Value,
}

/// The events of one generation, grouped by the questions asked of them.
#[derive(Default)]
struct Story<'a> {
    issued: Vec<&'a ProposalIssued>,
    trials: BTreeMap<TrialKey, &'a TrialStarted>,
    children: BTreeMap<u64, &'a Candidate>,
    gates: BTreeMap<u64, &'a GateDecided>,
    closed: BTreeMap<u64, &'a ProposalClosed>,
    accepted: Vec<&'a CandidateAccepted>,
}

impl Recorder {
    pub(super) fn new(driver: &Driver) -> Self {
        Self {
            calls: driver.header.val_ids.len() as u64,
            merges: MergesDue {
                most: driver.header.config.max_merge_invocations,
                due: 0,
                tested: 0,
            },
            discovery: vec![0],
            tried_merges: tried(driver),
        }
    }

    /// The record of the generation that has just ended.
    pub(super) fn write(&mut self, driver: &Driver, number: u64, generation: &Generation) -> Value {
        let story = Story::of(&generation.decisions);
        let streams = driver.random.take_streams();
        let mut record = Map::new();
        record.insert("i".to_owned(), json!(number));
        let merge_at = streams.iter().position(|(of, _)| *of == DrawPurpose::Merge);
        if let Some(at) = merge_at {
            // The words when the search for a merge was over: before the next stream, if any.
            let words = streams
                .get(at + 1)
                .map_or(driver.random.words(), |next| next.1);
            let merge = self.merge(driver, &story, generation, words);
            record.insert("merge".to_owned(), merge);
        }
        if story
            .issued
            .iter()
            .all(|issued| issued.origin == Origin::Reflection)
        {
            let tasks = self.tasks(driver, &story, generation);
            record.insert("tasks".to_owned(), tasks);
        }
        record.insert("calls".to_owned(), json!(self.calls));
        record.insert("w".to_owned(), json!(driver.random.words()));
        record.insert("front".to_owned(), json!(digest(driver)));
        record.insert("N".to_owned(), json!(driver.core.archive().len()));
        Value::Object(record)
    }

    fn tasks(&mut self, driver: &Driver, story: &Story, generation: &Generation) -> Value {
        let world = driver.world();
        let mut evaluated = BTreeSet::new();
        let mut records = Vec::new();
        for issued in &story.issued {
            let parent = texts_of(driver, issued.parents[0]);
            let minibatch: Vec<u64> = issued.examples.iter().map(key).collect();
            // Tasks with the same parent and minibatch are evaluated once.
            if evaluated.insert((parent.clone(), minibatch.clone())) {
                self.calls += world.reported_calls(&parent, &minibatch);
            }
            records.push(task(driver, story, generation, issued));
        }
        for issued in &story.issued {
            if let Some(child) = story.children.get(&issued.iteration) {
                let minibatch: Vec<u64> = issued.examples.iter().map(key).collect();
                self.calls += world.reported_calls(&texts(child), &minibatch);
            }
        }
        for accepted in &story.accepted {
            let at = story
                .issued
                .iter()
                .position(|one| one.iteration == accepted.iteration);
            let record = &mut records[at.expect("an acceptance of this generation")];
            self.program(driver, story, accepted, record);
            self.merges.accepted_reflection();
        }
        Value::Array(records.into_iter().map(Value::Object).collect())
    }

    fn merge(
        &mut self,
        driver: &Driver,
        story: &Story,
        generation: &Generation,
        words: u64,
    ) -> Value {
        let issued = story.issued[0];
        if issued.origin != Origin::Merge {
            return json!({"r": "none", "w": words});
        }
        let iteration = issued.iteration;
        let child = story.children[&iteration];
        let keys: Vec<u64> = issued.examples.iter().map(key).collect();
        let numerators = |texts: &[String]| numerators(driver, texts, &keys);
        let [first, second] = [0, 1].map(|at| numerators(&texts_of(driver, issued.parents[at])));
        let merged = numerators(&texts(child));
        let sums = [&first, &second].map(|scores| sum(driver, scores));
        check_gate(story, iteration, sums[0].max(sums[1]), sum(driver, &merged));
        let gate = TrialKey {
            iteration,
            index: CHILD_TRIAL,
        };
        let bought =
            |example: &&ExampleId| generation.executed.contains(&(gate, (*example).clone()));
        self.calls += issued.examples.iter().filter(bought).count() as u64;
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
        put("pair", json!(issued.parents));
        put("anc", self.new_ancestor(driver));
        put("txt", json!(texts(child)));
        put(
            "sub",
            json!(
                keys.iter()
                    .map(|key| id_of(driver, *key))
                    .collect::<Vec<_>>()
            ),
        );
        put("s1", json!(first));
        put("s2", json!(second));
        put("sm", json!(merged));
        put("w", json!(words));
        if let Some(accepted) = story.accepted.first() {
            put("r", json!("accept"));
            self.program(driver, story, accepted, &mut record);
            self.merges.accepted_merge();
        } else {
            put("r", json!("reject"));
        }
        Value::Object(record)
    }

    /// The ancestor of the merge added to the log last.
    fn new_ancestor(&mut self, driver: &Driver) -> Value {
        let before = std::mem::replace(&mut self.tried_merges, tried(driver));
        let known = before.as_array().expect("a list of merges");
        let all = self.tried_merges.as_array().expect("a list of merges");
        let new = all.iter().find(|one| !known.contains(one));
        new.map_or(Value::Null, |merge| merge[2].clone())
    }

    /// What a recording holds of a candidate that entered the archive.
    fn program(
        &mut self,
        driver: &Driver,
        story: &Story,
        accepted: &CandidateAccepted,
        record: &mut Map<String, Value>,
    ) {
        let trial = story.trials[&TrialKey {
            iteration: accepted.iteration,
            index: PARETO_TRIAL,
        }];
        let misses = trial.examples.len() as u64 - u64::from(trial.reused);
        let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
        put("new", json!(accepted.index));
        put("ve", json!(misses));
        put("disc", json!(self.calls));
        put("val", json!(scored_numerators(driver, accepted)));
        put("mean", json!(hex(accepted.mean_score)));
        if !driver.world().objectives.is_empty() {
            put("obj", objectives(accepted));
        }
        self.discovery.push(self.calls);
        self.calls += misses;
    }

    /// The record of the whole run, without its stop.
    pub(super) fn footer(&self, driver: &Driver, iterations: u64) -> Value {
        let archive = driver.core.archive();
        let members: Vec<_> = (0..archive.len() as u32)
            .filter_map(|index| archive.get(CandidateIndex(index)))
            .collect();
        let fronts = archive.fronts();
        let fronts: Vec<Value> = fronts
            .iter()
            .map(|front| json!([name_of(driver, &front.key), front.members]))
            .collect();
        let mut footer = json!({
            "type": "footer",
            "best_idx": archive.best(),
            "policy_best_idx": archive.best(),
            "iterations": iterations,
            "calls": self.calls,
            "full_val_evals": members.len(),
            "means": members.iter().map(|one| hex(one.mean)).collect::<Vec<_>>(),
            "parents": members.iter().map(|one| json!(one.parents)).collect::<Vec<_>>(),
            "discovery": self.discovery,
            "cursors": driver.core.cursors,
            "candidates": members.iter().map(|one| texts(&one.candidate)).collect::<Vec<_>>(),
            "front": fronts,
            "rng_words": driver.random.words(),
        });
        if driver.header.config.use_merge {
            footer["merge"] = json!({"due": self.merges.due, "tested": self.merges.tested});
        }
        footer
    }
}

impl<'a> Story<'a> {
    fn of(decisions: &'a [Decision]) -> Self {
        let mut story = Self::default();
        for decision in decisions {
            match decision {
                Decision::ProposalIssued(issued) => story.issued.push(issued),
                Decision::TrialStarted(trial) => {
                    story.trials.insert(trial.trial, trial);
                }
                Decision::CandidateProposed(child) => {
                    story.children.insert(child.iteration, &child.candidate);
                }
                Decision::GateDecided(gate) => {
                    story.gates.insert(gate.iteration, gate);
                }
                Decision::ProposalClosed(closed) => {
                    story.closed.insert(closed.iteration, closed);
                }
                Decision::CandidateAccepted(accepted) => story.accepted.push(accepted),
                _ => {}
            }
        }
        story
    }
}

/// A task without the fields of an accepted program.
fn task(
    driver: &Driver,
    story: &Story,
    generation: &Generation,
    issued: &ProposalIssued,
) -> Map<String, Value> {
    let iteration = issued.iteration;
    let keys: Vec<u64> = issued.examples.iter().map(key).collect();
    let before = numerators(driver, &texts_of(driver, issued.parents[0]), &keys);
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
    put("p", json!(issued.parents[0]));
    put("mb", json!(keys));
    put("b", json!(before));
    if let Some(rewrites) = generation.rewrites.get(&iteration) {
        let names: Vec<&String> = rewrites.iter().map(|(name, _)| name).collect();
        put("c", json!(names));
    }
    if let Some(child) = story.children.get(&iteration) {
        let rewrites = &generation.rewrites[&iteration];
        let new: Map<String, Value> = rewrites
            .iter()
            .filter_map(|(name, text)| Some((name.clone(), json!(text.as_ref()?))))
            .collect();
        let after = numerators(driver, &texts(child), &keys);
        check_gate(story, iteration, sum(driver, &before), sum(driver, &after));
        put("nt", Value::Object(new));
        put("a", json!(after));
    }
    let result = match story.closed.get(&iteration) {
        None => "accept",
        Some(closed) => match closed.reason {
            CloseReason::Gate => "gate",
            CloseReason::Outranked => "drop",
            CloseReason::Duplicate => "dup",
            CloseReason::Perfect => "perfect",
            CloseReason::NoScores => "no_trace",
            CloseReason::Reflection => closed.detail.as_str(),
            other => panic!("the reference closes nothing for {other:?}"),
        },
    };
    put("r", json!(result));
    record
}

/// The core compared exactly these sums.
fn check_gate(story: &Story, iteration: u64, parent_sum: f64, child_sum: f64) {
    let gate = story.gates[&iteration];
    let ours = [gate.parent_sum, gate.child_sum].map(f64::to_bits);
    assert_eq!(
        ours,
        [parent_sum, child_sum].map(f64::to_bits),
        "sums at the gate"
    );
}

/// The numerators of a row of scores. They must equal the world's.
fn scored_numerators(driver: &Driver, accepted: &CandidateAccepted) -> Vec<u64> {
    let keys = driver.header.val_ids.iter();
    let keys: Vec<u64> = keys.map(|id| driver.world().validation_key(*id)).collect();
    let numerators = numerators(driver, &texts_of(driver, accepted.index), &keys);
    let scores = numerators
        .iter()
        .map(|one| Some(driver.world().score(*one)));
    assert!(
        scores.eq(accepted.scores.iter().copied()),
        "scores of candidate {}",
        accepted.index
    );
    numerators
}

pub(super) fn objectives(accepted: &CandidateAccepted) -> Value {
    let means = accepted.objectives.iter();
    Value::Object(
        means
            .map(|(name, mean)| (name.clone(), json!(hex(*mean))))
            .collect(),
    )
}

fn numerators(driver: &Driver, texts: &[String], keys: &[u64]) -> Vec<u64> {
    let numerator = |key: &u64| driver.world().numerator(texts, *key);
    keys.iter().map(numerator).collect()
}

fn sum(driver: &Driver, numerators: &[u64]) -> f64 {
    let scores = numerators.iter().map(|one| driver.world().score(*one));
    scores.fold(0.0, |sum, score| sum + score)
}

fn texts_of(driver: &Driver, index: CandidateIndex) -> Vec<String> {
    texts(
        &driver
            .core
            .archive()
            .get(index)
            .expect("a member")
            .candidate,
    )
}

fn id_of(driver: &Driver, key: u64) -> u64 {
    let mut ids = driver.header.val_ids.iter();
    let id = ids.find(|id| driver.world().validation_key(**id) == key);
    *id.expect("a validation example")
}

fn tried(driver: &Driver) -> Value {
    let log = serde_json::to_value(&driver.core.merge.log).expect("a log that can be written");
    log["tried"].clone()
}

/// FNV-1a over the fronts as text.
fn digest(driver: &Driver) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for front in driver.core.archive().fronts() {
        let ids: Vec<String> = front.members.iter().map(ToString::to_string).collect();
        for byte in format!("{}:{};", name_of(driver, &front.key), ids.join(",")).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

/// The core names an instance by its rank among the ids.
fn name_of(driver: &Driver, key: &FrontKey) -> String {
    let mut ids = driver.header.val_ids.clone();
    ids.sort_unstable();
    let id = |rank: &gepa_archive::InstanceIndex| ids[rank.0 as usize];
    match key {
        FrontKey::Instance(rank) => format!("v{}", id(rank)),
        FrontKey::Objective(name) => format!("o{name}"),
        FrontKey::Cartesian(rank, name) => format!("c{}/{name}", id(rank)),
    }
}

pub(super) fn hex(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}
