//! What is stored about a run (sums and snapshots), and what subscribers read.

use std::sync::Arc;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{TRIAL_EXPORT, export, trials_that_ran};
use gepa_engine::{Counters, Decision, Event, EventBody, RunResult, Seq, SnapshotTag, Store};
use gepa_evaluation::Usage;
use gepa_jobs::views::snapshots;
use serde_json::{Map, Value};

use crate::probe::Probe;
use crate::world::{World, journal, memory};

/// Checks that counters equal the sums over the rows, and that result, last event and last snapshot
/// hold the same counters.
pub(crate) async fn check_sums(store: &Arc<dyn Store>, result: &RunResult) {
    let run = &result.run.run_id;
    let rollouts = store.rollouts(run, Seq(0), usize::MAX).await.unwrap();
    let reflections = store.reflections(run).await.unwrap();
    let counters = &result.run.summary.counters;
    assert_eq!(counters.total_rollouts, rollouts.len() as u64);
    let failed = rollouts.iter().filter(|row| row.score.is_none()).count();
    assert_eq!(counters.failed_rollouts, failed as u64);
    let of_rollouts = rollouts.iter().map(|row| row.usage + row.judge_usage);
    let of_reflections = reflections.iter().map(|row| row.usage);
    let spent = of_rollouts
        .chain(of_reflections)
        .fold(Usage::default(), |sum, usage| sum + usage);
    assert_eq!(counters.total_tokens, spent.total_tokens());
    assert_eq!(counters.total_cost_micro_usd, spent.cost.0);
    assert_eq!(counters.reflection_calls, reflections.len() as u64);
    assert_eq!(final_counters(&journal(store, run).await), *counters);
    if let Some(last) = store.snapshots(run).await.unwrap().last() {
        assert_eq!(last.tag, SnapshotTag::Final);
        assert_eq!(last.counters, *counters);
    }
}

pub(crate) fn final_counters(events: &[Event]) -> Counters {
    let finished = events.iter().rev().find_map(|event| match &event.body {
        EventBody::Decision(Decision::RunFinished(finished)) => Some(finished.counters.clone()),
        _ => None,
    });
    finished.expect("the run is over")
}

#[tokio::test]
async fn every_counter_is_the_sum_of_its_rows() {
    let finished = World::new().finish(Probe::new().shared()).await;
    check_sums(&finished.store, &finished.result).await;
    assert!(finished.result.run.summary.counters.candidates_accepted > 1);
}

#[tokio::test]
async fn trials_that_never_ran_are_not_listed_and_finished_ones_are_counted() {
    let (mut left_out, mut in_part) = (0, 0);
    for max_tokens in [400, 500, 600, 700, 800] {
        let mut world = World::new();
        world.settings.budget.max_tokens = Some(max_tokens);
        let finished = world.finish(Probe::new().shared()).await;
        let (store, run) = (&finished.store, &finished.result.run);
        let counters = &run.summary.counters;
        let listed = trials_that_ran(&**store, &run.run_id).await.unwrap();
        let rows: Vec<_> = listed
            .iter()
            .map(|row| export::object(TRIAL_EXPORT, &(), row))
            .collect();
        let is_finished = |row: &&Map<String, Value>| row["status"] == "finished";
        let count = rows.iter().filter(is_finished).count();
        assert_eq!(count as u64, counters.total_trials_evaluated);
        let executed: u64 = listed.iter().map(|row| row.executed).sum();
        assert_eq!(executed, counters.total_rollouts);
        let unfinished = listed.iter().filter(|row| row.finished_at.is_none());
        assert!(unfinished.clone().all(|row| row.executed > 0));
        in_part += unfinished.count();
        left_out += store.trials(&run.run_id).await.unwrap().len() - listed.len();
    }
    assert!(left_out > 0 && in_part > 0, "{left_out} {in_part}");
}

#[tokio::test]
async fn every_snapshot_is_complete_and_holds_the_archive_of_its_time() {
    for max_size in [None, Some(2)] {
        let mut world = World::new();
        world.settings.search.archive_max_size = max_size;
        let finished = world.finish(Probe::new().shared()).await;
        let run = &finished.result.run;
        let snapshots = snapshots(&*finished.store, run.clone()).await.unwrap();
        let events = finished.journal().await;
        assert!(snapshots.rows.len() > 2);
        for snapshot in &snapshots.rows {
            let view = snapshots.view(snapshot).unwrap();
            assert!(
                view.messages
                    .iter()
                    .all(|message| !message.content.is_empty())
            );
            assert_eq!(view.messages.len(), world.components.len());
            assert!(view.token_count > 0);
            let shown: Vec<CandidateIndex> =
                view.payload.archive.iter().map(|item| item.index).collect();
            assert_eq!(shown, archive_at(&events, snapshot.seq));
            let best = view
                .payload
                .archive
                .iter()
                .map(|item| item.score)
                .fold(f64::MIN, f64::max);
            assert_eq!(view.payload.best_score, best);
        }
    }
}

fn archive_at(events: &[Event], seq: Seq) -> Vec<CandidateIndex> {
    let mut members = Vec::new();
    for event in events.iter().filter(|event| event.seq <= seq) {
        if let EventBody::Decision(Decision::CandidateAccepted(accepted)) = &event.body {
            members.push(accepted.index);
            members.retain(|index| !accepted.evicted.contains(index));
        }
    }
    members
}

#[tokio::test]
async fn subscribers_see_every_event_once_and_in_order() {
    let world = World::new();
    let store = memory();
    let builder = world.builder(&store, Probe::new().shared());
    let mut early = builder.subscribe();
    let handle = builder.start().await.unwrap();
    let mut subscription = handle.subscribe();
    let run = handle.run_id().clone();
    let (reader, finished) = (Arc::clone(&store), handle.finish());
    let subscriber = async {
        let mut seen = Vec::new();
        while let Ok(batch) = subscription.recv().await {
            let last = batch[batch.len() - 1].seq;
            let stored = reader.run(&run).await.unwrap().summary.seq;
            assert!(last <= stored, "{last} was shown before it was stored");
            seen.extend(batch.iter().map(|event| event.seq));
        }
        seen
    };
    let (result, seen) = tokio::join!(finished, subscriber);
    let all: Vec<Seq> = (1..=result.unwrap().run.summary.seq.0).map(Seq).collect();
    assert_eq!(seen, all);
    let mut seen_early = Vec::new();
    while let Ok(batch) = early.recv().await {
        seen_early.extend(batch.iter().map(|event| event.seq));
    }
    assert_eq!(seen_early, all);
}
