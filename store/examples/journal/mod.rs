//! A journal of rollouts, as a run with small trials writes it.

use std::error::Error;

use gepa_archive::Candidate;
use gepa_engine::record::{RunRow, RunSummary};
use gepa_engine::{
    Decision, Event, EventBody, Fact, RolloutSettled, RunId, RunStarted, Seq, Timestamp,
    TrialFinished, TrialKey, TrialStarted,
};
use gepa_evaluation::{ExampleId, MicroUsd, Outcome, PromptTemplate, Scored, Stage, Usage};

/// Rollouts of a trial, as with minibatches of three and now and then a pareto set.
const TRIAL: u64 = 6;

pub(crate) fn run_row(run: &RunId) -> RunRow {
    RunRow {
        run_id: run.clone(),
        name: "append cost".to_owned(),
        created_at: Timestamp::now(),
        config: serde_json::Value::Null,
        policy_provider: "none".to_owned(),
        policy_model: "none".to_owned(),
        template: PromptTemplate::default(),
        pareto: Vec::new(),
        validation: Vec::new(),
        summary: RunSummary::default(),
    }
}

pub(crate) fn journal(rollouts: u64) -> Result<Vec<Event>, Box<dyn Error>> {
    let seed = Candidate::new([("instruction", "Classify the query.")])?;
    let mut bodies = vec![EventBody::Decision(Decision::RunStarted(Box::new(
        RunStarted {
            format: gepa_engine::JOURNAL_FORMAT,
            engine_version: "0.1.0".to_owned(),
            seed: seed.clone(),
            train: 100,
            pareto: 100,
            validation: 100,
            limits: None,
            scores: None,
            origin: None,
            settings: None,
            branch_points: Vec::new(),
            paced: false,
        },
    )))];
    for iteration in 0..rollouts / TRIAL {
        bodies.extend(trial(
            TrialKey {
                iteration,
                index: 0,
            },
            &seed,
        ));
    }
    Ok((1..)
        .map(Seq)
        .zip(bodies)
        .map(|(seq, body)| Event {
            seq,
            at: Timestamp(1_700_000_000_000_000 + seq.0 as i64),
            body,
        })
        .collect())
}

fn trial(key: TrialKey, candidate: &Candidate) -> Vec<EventBody> {
    let mut bodies = vec![EventBody::Decision(Decision::TrialStarted(TrialStarted {
        trial: key,
        stage: Stage::MinibatchChild,
        candidate: candidate.content_id(),
        examples: (0..TRIAL).map(ExampleId::Seed).collect(),
        reused: 0,
        rung: None,
        speculative: false,
    }))];
    for position in 0..TRIAL {
        bodies.push(EventBody::Fact(Fact::RolloutSettled(Box::new(
            RolloutSettled {
                started_at: Timestamp(1_700_000_000_000_000),
                finished_at: Timestamp(1_700_000_002_000_000),
                usage: Usage {
                    calls: 1,
                    prompt_tokens: 512,
                    completion_tokens: 12,
                    cost: MicroUsd(77),
                    ..Usage::default()
                },
                ..RolloutSettled::new(
                    key,
                    Stage::MinibatchChild,
                    candidate.content_id(),
                    position as u32,
                    ExampleId::Seed(position),
                    Outcome::Scored(Scored {
                        score: 0.731,
                        feedback: Some("expected `card_arrival`, got `lost_card`".to_owned()),
                        output: Some("lost_card".to_owned()),
                        ..Scored::default()
                    }),
                )
            },
        ))));
    }
    bodies.push(EventBody::Decision(Decision::TrialFinished(
        TrialFinished {
            trial: key,
            stage: Stage::MinibatchChild,
            mean_score: Some(0.731),
            scored: TRIAL as u32,
            failed: 0,
        },
    )));
    bodies
}
