//! A run's journal with an event of every kind.

use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex, Origin};
use gepa_engine::record::{RunRow, RunSummary, token_estimate};
use gepa_engine::*;
use gepa_evaluation::{
    ExampleId, FailureKind, MicroUsd, Outcome, PromptMessage, PromptTemplate, Scored, Stage, Usage,
};
use indexmap::IndexMap;

use crate::growth::refined;

pub(crate) const RUN: &str = "pl_00000000000000a1";

pub(crate) fn run_row(id: &str) -> RunRow {
    RunRow {
        run_id: id.parse().unwrap(),
        name: "banking \"intents\"".to_owned(),
        created_at: Timestamp(1_700_000_000_000_000),
        config: serde_json::json!({"run": {"seed": 7}, "z": null, "a": [1.5, "é"]}),
        policy_provider: "rulebook".to_owned(),
        policy_model: "rulebook-1".to_owned(),
        template: PromptTemplate {
            messages: vec![PromptMessage {
                role: "system".to_owned(),
                component: Some("instruction".to_owned()),
                pattern: "{query}".to_owned(),
            }],
        },
        pareto: examples(),
        validation: vec![ExampleId::Seed(100), ExampleId::Seed(101)],
        summary: RunSummary::default(),
    }
}

/// Ids of both kinds, and one beyond the integers of SQLite.
pub(crate) fn examples() -> Vec<ExampleId> {
    vec![
        ExampleId::Seed(1),
        ExampleId::Seed(u64::MAX),
        ExampleId::from("7"),
    ]
}

pub(crate) fn text(words: &str) -> Candidate {
    Candidate::new([("instruction", words), ("style", "kurz & höflich")]).unwrap()
}

pub(crate) fn usage(prompt_tokens: u64) -> Usage {
    Usage {
        calls: 1,
        prompt_tokens,
        completion_tokens: prompt_tokens / 2,
        cached_tokens: 3,
        unknown_tokens: prompt_tokens % 5,
        cost: MicroUsd(prompt_tokens * 11),
        unpriced_calls: prompt_tokens % 2,
    }
}

pub(crate) fn key(iteration: u64, index: u32) -> TrialKey {
    TrialKey { iteration, index }
}

/// The bodies with numbers and times.
pub(crate) fn journal() -> Arc<[Event]> {
    number(1, bodies())
}

pub(crate) fn number(first: u64, bodies: Vec<EventBody>) -> Arc<[Event]> {
    (first..)
        .zip(bodies)
        .map(|(seq, body)| Event {
            seq: Seq(seq),
            at: Timestamp(1_700_000_000_000_000 + seq as i64 * 250_000),
            body,
        })
        .collect()
}

pub(crate) fn bodies() -> Vec<EventBody> {
    let mut bodies = vec![EventBody::Decision(Decision::RunStarted(Box::new(
        RunStarted {
            format: JOURNAL_FORMAT,
            engine_version: "0.1.0".to_owned(),
            seed: text("seed"),
            train: 9,
            pareto: 3,
            validation: 2,
            limits: None,
            scores: None,
            origin: None,
            settings: None,
            branch_points: Vec::new(),
            paced: false,
        },
    )))];
    bodies.extend(trial(
        key(0, 0),
        Stage::Seed,
        &text("seed"),
        &[0.5, 0.1, 0.0],
    ));
    bodies.push(accepted(0, 0, &text("seed"), Origin::Seed, Vec::new()));
    bodies.push(snapshot(1, SnapshotTag::Seed, 0, &text("seed")));
    bodies.extend(reflected(1));
    bodies.extend(failed_reflection(2));
    bodies.extend(merged(3));
    bodies.extend(interrupted());
    bodies.extend(injected(4));
    bodies.extend(ending(5));
    bodies
}

/// An iteration whose child is accepted.
fn reflected(iteration: u64) -> Vec<EventBody> {
    let child = text("child");
    let mut bodies = vec![issued(
        iteration,
        Origin::Reflection,
        vec![CandidateIndex(0)],
    )];
    bodies.push(started(
        key(iteration, 0),
        Stage::MinibatchParent,
        &text("seed"),
        2,
    ));
    bodies.push(rollout(
        key(iteration, 0),
        Stage::MinibatchParent,
        &text("seed"),
        2,
        failed(),
    ));
    bodies.push(finished(key(iteration, 0), Stage::MinibatchParent, 2, 1));
    bodies.push(reflection(iteration, Some("child")));
    bodies.push(proposed(
        iteration,
        Origin::Reflection,
        vec![CandidateIndex(0)],
        &child,
    ));
    bodies.extend(trial(
        key(iteration, 1),
        Stage::MinibatchChild,
        &child,
        &[1.0, 0.3, 0.25],
    ));
    bodies.push(gate(iteration, &child, true));
    bodies.extend(trial(
        key(iteration, 2),
        Stage::Pareto,
        &child,
        &[1.0, 0.1, 1.0 / 3.0],
    ));
    bodies.push(accepted(
        iteration,
        1,
        &child,
        Origin::Reflection,
        vec![CandidateIndex(0)],
    ));
    bodies.push(snapshot(2, SnapshotTag::Best, 1, &child));
    bodies
}

fn failed_reflection(iteration: u64) -> Vec<EventBody> {
    vec![
        issued(iteration, Origin::Reflection, vec![CandidateIndex(1)]),
        reflection(iteration, None),
        closed(iteration, CloseReason::Reflection, "no fenced block"),
    ]
}

/// An iteration whose child fails at the gate.
fn merged(iteration: u64) -> Vec<EventBody> {
    let (parents, child) = (vec![CandidateIndex(0), CandidateIndex(1)], text("merged"));
    let mut bodies = vec![issued(iteration, Origin::Merge, parents.clone())];
    bodies.push(proposed(iteration, Origin::Merge, parents, &child));
    bodies.extend(trial(
        key(iteration, 0),
        Stage::MergeGate,
        &child,
        &[0.0, 0.0, 0.1],
    ));
    bodies.push(gate(iteration, &child, false));
    bodies.push(closed(iteration, CloseReason::Gate, ""));
    bodies
}

/// The process stops, another one resumes, and the rollout that had failed is tried again.
fn interrupted() -> Vec<EventBody> {
    let mut again = rollout(
        key(1, 0),
        Stage::MinibatchParent,
        &text("seed"),
        2,
        scored(0.75),
    );
    if let EventBody::Fact(Fact::RolloutSettled(settled)) = &mut again {
        settled.again = true;
    }
    let engine_version = "0.1.1".to_owned();
    vec![
        EventBody::Fact(Fact::RunInterrupted(RunInterrupted {
            reason: "the provider is down".to_owned(),
            provider_down: true,
            goes_on_at: None,
        })),
        EventBody::Fact(Fact::RunResumed(RunResumed { engine_version })),
        again,
    ]
}

/// A candidate from outside is accepted, and another one leaves the archive for it.
fn injected(iteration: u64) -> Vec<EventBody> {
    let child = text("injected");
    let mut bodies = vec![
        EventBody::Fact(Fact::CandidateInjected(CandidateInjected {
            candidate: Box::new(child.clone()),
            gated: false,
            parent: None,
            taken_from: None,
            by: SteeredBy::default(),
        })),
        issued(iteration, Origin::Injected, Vec::new()),
        proposed(iteration, Origin::Injected, Vec::new(), &child),
    ];
    bodies.extend(trial(
        key(iteration, 0),
        Stage::Pareto,
        &child,
        &[0.9, 0.9, 0.9],
    ));
    let mut acceptance = accepted(iteration, 2, &child, Origin::Injected, Vec::new());
    if let EventBody::Decision(Decision::CandidateAccepted(accepted)) = &mut acceptance {
        accepted.evicted = vec![CandidateIndex(0)];
    }
    bodies.push(acceptance);
    bodies.push(snapshot(3, SnapshotTag::Improvement, 2, &child));
    bodies
}

/// The user ends the run: validation, the last snapshot, the result.
fn ending(iteration: u64) -> Vec<EventBody> {
    let mut bodies = vec![
        EventBody::Fact(Fact::StopRequested(StopRequested {
            reason: StopReason::Requested,
            by: SteeredBy::default(),
        })),
        EventBody::Decision(Decision::StopDecided(StopDecided {
            reason: StopReason::RolloutBudget {
                limit: 40,
                used: 38,
                needed: 6,
            },
        })),
    ];
    let (baseline, best) = (text("seed"), text("injected"));
    bodies.extend(trial(
        key(iteration, 0),
        Stage::ValidationBaseline,
        &baseline,
        &[0.2, 0.4],
    ));
    bodies.extend(trial(
        key(iteration, 1),
        Stage::ValidationTopK,
        &best,
        &[0.8, 0.7],
    ));
    bodies.extend(refined(1, 1, 0.25));
    bodies.push(EventBody::Decision(Decision::RunFinished(Box::new(
        RunFinished {
            stop_reason: StopReason::Requested,
            best: Some(CandidateIndex(2)),
            validation: vec![
                validated(
                    0,
                    None,
                    Some(0.300_000_000_000_000_04),
                    vec![Some(0.2), Some(0.4)],
                ),
                validated(2, Some(1), None, vec![None, None]),
            ],
            comparison: None,
            counters: Counters::default(),
        },
    ))));
    bodies.push(snapshot(4, SnapshotTag::Final, 2, &text("injected")));
    bodies
}

fn proposed(
    iteration: u64,
    origin: Origin,
    parents: Vec<CandidateIndex>,
    candidate: &Candidate,
) -> EventBody {
    EventBody::Decision(Decision::CandidateProposed(Box::new(CandidateProposed {
        iteration,
        origin,
        parents,
        candidate: candidate.clone(),
    })))
}

fn validated(
    index: u32,
    rank: Option<u32>,
    mean_score: Option<f64>,
    scores: Vec<Option<f64>>,
) -> ValidationResult {
    ValidationResult {
        candidate: CandidateIndex(index),
        rank,
        mean_score,
        scores,
    }
}

/// A trial whose rollouts are all executed and scored.
pub(crate) fn trial(
    trial: TrialKey,
    stage: Stage,
    candidate: &Candidate,
    scores: &[f64],
) -> Vec<EventBody> {
    let mut bodies = vec![started(trial, stage, candidate, 0)];
    for (position, score) in (0..).zip(scores) {
        bodies.push(rollout(trial, stage, candidate, position, scored(*score)));
    }
    bodies.push(finished(trial, stage, scores.len() as u32, 0));
    bodies
}

pub(crate) fn started(
    trial: TrialKey,
    stage: Stage,
    candidate: &Candidate,
    reused: u32,
) -> EventBody {
    EventBody::Decision(Decision::TrialStarted(TrialStarted {
        trial,
        stage,
        candidate: candidate.content_id(),
        examples: examples(),
        reused,
        rung: None,
        speculative: false,
    }))
}

fn finished(trial: TrialKey, stage: Stage, scored: u32, failed: u32) -> EventBody {
    EventBody::Decision(Decision::TrialFinished(TrialFinished {
        trial,
        stage,
        mean_score: Some(0.1 + 0.2),
        scored,
        failed,
    }))
}

pub(crate) fn rollout(
    trial: TrialKey,
    stage: Stage,
    candidate: &Candidate,
    position: u32,
    outcome: Outcome,
) -> EventBody {
    let salt = trial.iteration * 100 + u64::from(trial.index * 10 + position);
    let (id, example) = (
        candidate.content_id(),
        examples()[position as usize % 3].clone(),
    );
    EventBody::Fact(Fact::RolloutSettled(Box::new(RolloutSettled {
        attempts: 1 + position,
        started_at: Timestamp(1_700_000_000_000_000 + salt as i64),
        finished_at: Timestamp(1_700_000_000_900_000 + salt as i64),
        usage: usage(90 + salt),
        judge_usage: if position == 1 {
            usage(17)
        } else {
            Usage::default()
        },
        ..RolloutSettled::new(trial, stage, id, position, example, outcome)
    })))
}

pub(crate) fn scored(score: f64) -> Outcome {
    Outcome::Scored(Scored {
        score,
        objectives: IndexMap::from([("brevity".into(), 0.1), ("accuracy".into(), score)]),
        feedback: Some("should be `card_arrival`".to_owned()),
        output: Some("{\"intent\": \"x\\u0000y\"}".to_owned()),
        trace: Some(serde_json::json!({"steps": [1, 2.5, null]})),
    })
}

fn failed() -> Outcome {
    Outcome::failed(FailureKind::Timeout, "no reply within 30 s")
}

pub(crate) fn issued(iteration: u64, origin: Origin, parents: Vec<CandidateIndex>) -> EventBody {
    EventBody::Decision(Decision::ProposalIssued(ProposalIssued {
        iteration,
        origin,
        parents,
        examples: examples(),
        components: vec!["instruction".to_owned()],
    }))
}

fn reflection(iteration: u64, new_text: Option<&str>) -> EventBody {
    EventBody::Fact(Fact::ReflectionSettled(Box::new(ReflectionSettled {
        iteration,
        component: "instruction".to_owned(),
        attempt: 1,
        started_at: Timestamp(1_700_000_001_000_000),
        finished_at: Timestamp(1_700_000_002_000_000),
        usage: usage(700 + iteration),
        messages: Vec::new(),
        reply: Some("a reply".to_owned()),
        alternatives: Vec::new(),
        overlong: None,
        refused_texts: Vec::new(),
        copying: 0,
        text: new_text.map(str::to_owned),
        failure: new_text.is_none().then(|| ReflectionFailure {
            kind: ReflectionFailureKind::NoFence,
            message: "no fenced block".to_owned(),
        }),
    })))
}

pub(crate) fn gate(iteration: u64, candidate: &Candidate, passed: bool) -> EventBody {
    EventBody::Decision(Decision::GateDecided(GateDecided {
        iteration,
        candidate: candidate.content_id(),
        passed,
        compared: 3,
        parent_sum: 0.1 + 0.2,
        child_sum: if passed { 1.55 } else { 0.1 },
        against: None,
    }))
}

pub(crate) fn closed(iteration: u64, reason: CloseReason, detail: &str) -> EventBody {
    EventBody::Decision(Decision::ProposalClosed(ProposalClosed {
        iteration,
        reason,
        detail: detail.to_owned(),
        wasted: 0,
    }))
}

fn accepted(
    iteration: u64,
    index: u32,
    candidate: &Candidate,
    origin: Origin,
    parents: Vec<CandidateIndex>,
) -> EventBody {
    EventBody::Decision(Decision::CandidateAccepted(Box::new(CandidateAccepted {
        iteration,
        index: CandidateIndex(index),
        candidate: candidate.content_id(),
        parents,
        origin,
        mean_score: mean_score(index),
        scores: vec![Some(0.5), None, Some(1.0 / 3.0)],
        objectives: IndexMap::from([("z".to_owned(), 0.1), ("a".to_owned(), 0.7)]),
        front: (0..=index).map(CandidateIndex).collect(),
        improvement: true,
        length: None,
        estimate: None,
        leader: None,
        best: true,
        evicted: Vec::new(),
        committed_rollouts: 3,
    })))
}

fn snapshot(ordinal: u64, tag: SnapshotTag, subject: u32, candidate: &Candidate) -> EventBody {
    EventBody::Decision(Decision::SnapshotTaken(SnapshotTaken {
        ordinal,
        tag,
        best: CandidateIndex(subject),
        subject: CandidateIndex(subject),
        score: Some(mean_score(subject)),
        token_count: Some(token_estimate(&run_row(RUN).template.sections(candidate))),
    }))
}

pub(crate) fn mean_score(index: u32) -> f64 {
    0.2 + f64::from(index) / 3.0
}
