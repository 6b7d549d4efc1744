//! The expected content of the tables after the script, worked out by hand.

use std::collections::BTreeSet;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateStatus, RunStatus};
use gepa_engine::{CloseReason, Counters, TrialKey};
use gepa_evaluation::{Phase, Purpose, Usage};
use gepa_jobs::views::snapshots;

use crate::conformance::{memory_of, reference};
use crate::script::{journal, usage};

#[test]
fn the_script_holds_every_kind_of_event() {
    let events = journal();
    let kinds: BTreeSet<&str> = events.iter().map(|event| event.body.kind()).collect();
    assert_eq!(kinds.len(), 20, "{kinds:?}");
}

#[tokio::test]
async fn candidates_stand_where_their_last_event_left_them() {
    let candidates = reference().await.candidates;
    let found: Vec<_> = candidates
        .iter()
        .map(|row| (row.iteration, row.status, row.index.map(|index| index.0)))
        .collect();
    assert_eq!(
        found,
        [
            (0, CandidateStatus::Evicted, Some(0)),
            (1, CandidateStatus::Accepted, Some(1)),
            (3, CandidateStatus::Rejected, None),
            (4, CandidateStatus::Accepted, Some(2)),
        ]
    );
    assert_eq!(candidates[2].close_reason, Some(CloseReason::Gate));
    assert!(candidates[1].gate.as_ref().unwrap().passed);
    assert!(!candidates[2].gate.as_ref().unwrap().passed);
    assert_eq!(
        candidates[0].validation_score,
        Some(0.300_000_000_000_000_04)
    );
    assert_eq!(candidates[3].validation_scores, Some(vec![None, None]));
}

#[tokio::test]
async fn a_rollout_tried_again_replaces_its_failure_and_adds_its_cost() {
    let stored = reference().await;
    let key = TrialKey {
        iteration: 1,
        index: 0,
    };
    let rows: Vec<_> = stored
        .rollouts
        .iter()
        .filter(|row| row.key == key)
        .collect();
    let [row] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!((row.score, row.failure), (Some(0.75), None));
    assert_eq!(row.attempts, 6);
    assert_eq!(row.usage, usage(192) + usage(192));
    let trial = stored.trials.iter().find(|trial| trial.key == key).unwrap();
    assert_eq!((trial.executed, trial.reused), (1, 2));
    assert_eq!(trial.usage, row.usage);
    assert!(stored.rollouts.is_sorted_by_key(|row| row.seq));
}

#[tokio::test]
async fn the_sums_of_rows_are_the_counters() {
    let stored = reference().await;
    let Counters {
        total_rollouts,
        rollouts_prompt_tokens,
        mutation_completion_tokens,
        usage: shares,
        ..
    } = &stored.run.summary.counters;
    assert_eq!(stored.rollouts.len() as u64, *total_rollouts);
    let spent = |phase, purpose| {
        let rows = stored.rollouts.iter().filter(|row| row.phase == phase);
        rows.fold(Usage::default(), |sum, row| match purpose {
            Purpose::Judge => sum + row.judge_usage,
            _ => sum + row.usage,
        })
    };
    for share in shares {
        let expected = match share.purpose {
            Purpose::Reflection => stored
                .reflections
                .iter()
                .fold(Usage::default(), |sum, row| sum + row.usage),
            purpose => spent(share.phase, purpose),
        };
        assert_eq!(
            share.usage, expected,
            "{:?} {:?}",
            share.phase, share.purpose
        );
    }
    assert_eq!(shares.len(), 5);
    let prompt_tokens: u64 = stored
        .trials
        .iter()
        .map(|row| row.usage.prompt_tokens)
        .sum();
    assert_eq!(prompt_tokens, *rollouts_prompt_tokens);
    let reflected: u64 = stored
        .reflections
        .iter()
        .map(|row| row.usage.completion_tokens)
        .sum();
    assert_eq!(reflected, *mutation_completion_tokens);
    assert!(shares.iter().any(|share| share.phase == Phase::Validation));
}

#[tokio::test]
async fn every_snapshot_renders_complete() {
    let run = reference().await.run;
    assert_eq!(run.summary.status, RunStatus::Succeeded);
    assert_eq!(run.summary.best, Some(CandidateIndex(2)));
    let store = memory_of(journal()).await;
    let snapshots = snapshots(&store, run).await.unwrap();
    let sizes: Vec<usize> = snapshots
        .rows
        .iter()
        .map(|snapshot| {
            let view = snapshots.view(snapshot).unwrap();
            assert!(!view.messages.is_empty());
            view.payload.archive.len()
        })
        .collect();
    assert_eq!(sizes, [1, 2, 2, 2]);
}
