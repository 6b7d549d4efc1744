//! Tests that every implementation passes.

use std::collections::BTreeSet;
use std::sync::Arc;

use gepa_engine::record::RunStatus;
use gepa_engine::{
    Event, EventBody, Fact, RunAbandoned, RunId, Seq, SteeredBy, StopReason, Store, StoreError,
    TrialKey,
};
use gepa_evaluation::Stage;
use gepa_store::{MemoryStore, SqliteStore, rebuild};
use tempfile::TempDir;

use crate::everything::{Everything, append, everything};
use crate::script::{RUN, journal, number, rollout, run_row, scored, started, text, trial};

macro_rules! on_every_store {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(std::sync::Arc::new(gepa_store::MemoryStore::new())).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let (_folder, store) = crate::conformance::sqlite_store();
                super::$test(store).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                for store in crate::postgres::stores().await {
                    super::$test(store).await;
                }
            })*
        }
    };
}

pub(crate) use on_every_store;

on_every_store!(
    a_run_reads_back_as_created,
    runs_are_listed_in_the_order_of_creation,
    what_is_asked_of_an_unknown_run_is_refused,
    rows_do_not_depend_on_where_batches_end,
    an_append_elsewhere_than_at_the_end_is_a_conflict,
    an_empty_append_changes_nothing,
    a_batch_that_does_not_fit_leaves_no_trace,
    pages_join_to_the_whole,
    a_claim_is_exclusive_until_it_is_dropped,
    readers_see_whole_batches_only,
    runs_written_at_once_do_not_mix,
    the_doctor_finds_nothing_wrong,
    pauses_and_ends_from_outside_show_in_the_status,
);

pub(crate) fn sqlite_store() -> (TempDir, Arc<dyn Store>) {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("new/runs.db")).unwrap();
    (folder, Arc::new(store))
}

/// The script, stored in one batch.
pub(crate) async fn scripted(store: &dyn Store) -> RunId {
    let run: RunId = RUN.parse().unwrap();
    store.create_run(run_row(RUN)).await.unwrap();
    append(store, &run, Seq(0), journal()).await.unwrap();
    run
}

/// The content of the memory store after the script.
pub(crate) async fn reference() -> Everything {
    reference_of(journal()).await
}

/// The content of the memory store after these events.
pub(crate) async fn reference_of(events: Arc<[Event]>) -> Everything {
    let store = memory_of(events).await;
    everything(&store, &RUN.parse().unwrap()).await
}

/// A memory store with these events.
pub(crate) async fn memory_of(events: Arc<[Event]>) -> MemoryStore {
    let store = MemoryStore::new();
    let run: RunId = RUN.parse().unwrap();
    store.create_run(run_row(RUN)).await.unwrap();
    append(&store, &run, Seq(0), events).await.unwrap();
    store
}

async fn a_run_reads_back_as_created(store: Arc<dyn Store>) {
    let row = run_row(RUN);
    store.create_run(row.clone()).await.unwrap();
    assert_eq!(store.run(&row.run_id).await.unwrap(), row);
    let again = store.create_run(row.clone()).await;
    assert!(matches!(again, Err(StoreError::RunExists(run)) if run == row.run_id));
}

async fn runs_are_listed_in_the_order_of_creation(store: Arc<dyn Store>) {
    let ids = [
        "pl_00000000000000c3",
        "pl_00000000000000a1",
        "pl_00000000000000b2",
    ];
    for id in ids {
        store.create_run(run_row(id)).await.unwrap();
    }
    let listed = store.runs().await.unwrap();
    let found: Vec<&str> = listed.iter().map(|row| row.run_id.as_str()).collect();
    assert_eq!(found, ids);
}

async fn what_is_asked_of_an_unknown_run_is_refused(store: Arc<dyn Store>) {
    let run: RunId = RUN.parse().unwrap();
    let answers = [
        store.run(&run).await.err(),
        store.claim(&run).await.err(),
        store.is_claimed(&run).await.err(),
        append(&*store, &run, Seq(0), journal()).await.err(),
        store.events(&run, Seq(0), 1).await.err(),
        store.candidates(&run).await.err(),
        store.trials(&run).await.err(),
        store.rollouts(&run, Seq(0), 1).await.err(),
        store.reflections(&run).await.err(),
        store.snapshots(&run).await.err(),
    ];
    for answer in answers {
        assert!(
            matches!(answer, Some(StoreError::UnknownRun(_))),
            "{answer:?}"
        );
    }
}

async fn rows_do_not_depend_on_where_batches_end(store: Arc<dyn Store>) {
    let run: RunId = RUN.parse().unwrap();
    store.create_run(run_row(RUN)).await.unwrap();
    let events = journal();
    let mut after = 0;
    let mut size = 1;
    while after < events.len() {
        let end = (after + size).min(events.len());
        let batch: Arc<[Event]> = events[after..end].into();
        append(&*store, &run, Seq(after as u64), batch)
            .await
            .unwrap();
        (after, size) = (end, size % 7 + 1);
    }
    let stored = everything(&*store, &run).await;
    assert_eq!(stored.events, *events);
    assert_eq!(stored, reference().await);
}

async fn an_append_elsewhere_than_at_the_end_is_a_conflict(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let end = journal().len() as u64;
    let before = everything(&*store, &run).await;
    for after in [0, end - 1, end + 1] {
        let late = number(after + 1, vec![journal()[0].body.clone()]);
        let answer = append(&*store, &run, Seq(after), late).await;
        let is_conflict = matches!(
            answer,
            Err(StoreError::Conflict { expected, found, .. })
                if expected == Seq(after) && found == Seq(end)
        );
        assert!(is_conflict, "{answer:?}");
    }
    assert_eq!(everything(&*store, &run).await, before);
}

async fn an_empty_append_changes_nothing(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let end = Seq(journal().len() as u64);
    append(&*store, &run, end, Arc::new([])).await.unwrap();
    assert_eq!(everything(&*store, &run).await, reference().await);
}

async fn a_batch_that_does_not_fit_leaves_no_trace(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let end = journal().len() as u64;
    let before = everything(&*store, &run).await;
    let (unknown, known, child) = (key(90, 0), key(1, 2), text("seed"));
    let repeated = journal();
    let kinds = ["candidate_proposed", "trial_started", "candidate_accepted"];
    let mut misfits: Vec<EventBody> = repeated
        .iter()
        .filter(|event| kinds.contains(&event.body.kind()))
        .map(|event| event.body.clone())
        .collect();
    let settled = |key, position| rollout(key, Stage::Pareto, &child, position, scored(1.0));
    misfits.push(settled(unknown, 0));
    // A rollout that was never made cannot be tried again, and neither can one with a score.
    for mut again in [settled(known, 50), settled(known, 0)] {
        if let EventBody::Fact(Fact::RolloutSettled(settled)) = &mut again {
            settled.again = true;
        }
        misfits.push(again);
    }
    for misfit in misfits {
        let kind = misfit.kind();
        let mut bodies = trial(key(80, 0), Stage::Pareto, &child, &[1.0, 0.5]);
        bodies.push(misfit);
        let answer = append(&*store, &run, Seq(end), number(end + 1, bodies)).await;
        assert!(
            matches!(answer, Err(StoreError::Misfit { .. })),
            "{kind}: {answer:?}"
        );
        assert_eq!(everything(&*store, &run).await, before, "{kind}");
    }
    let gap = number(end + 2, trial(key(80, 0), Stage::Pareto, &child, &[1.0]));
    let answer = append(&*store, &run, Seq(end), gap).await;
    assert!(
        matches!(answer, Err(StoreError::Misfit { .. })),
        "{answer:?}"
    );

    let fitting = trial(key(80, 0), Stage::Pareto, &child, &[1.0, 0.5]);
    append(&*store, &run, Seq(end), number(end + 1, fitting))
        .await
        .unwrap();
    assert_eq!(rebuild(&*store, &run).await.unwrap(), Vec::new());
    let trials = store.trials(&run).await.unwrap();
    assert_eq!(trials.len(), before.trials.len() + 1);
    assert_eq!(trials.last().unwrap().executed, 2);
}

async fn pages_join_to_the_whole(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let whole = everything(&*store, &run).await;
    for limit in [1, 2, 7, 1_000] {
        let (mut events, mut rollouts) = (Vec::new(), Vec::new());
        let mut after = Seq(0);
        loop {
            let page = store.events(&run, after, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = last.seq;
            events.extend(page);
        }
        after = Seq(0);
        loop {
            let page = store.rollouts(&run, after, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = last.seq;
            rollouts.extend(page);
        }
        assert_eq!(events, whole.events);
        assert_eq!(rollouts, whole.rollouts);
    }
    assert_eq!(store.events(&run, Seq(u64::MAX), 5).await.unwrap(), []);
    assert_eq!(store.events(&run, Seq(0), 0).await.unwrap(), []);
}

async fn a_claim_is_exclusive_until_it_is_dropped(store: Arc<dyn Store>) {
    let (run, other) = (RUN, "pl_00000000000000b2");
    for id in [run, other] {
        store.create_run(run_row(id)).await.unwrap();
    }
    let (run, other): (RunId, RunId) = (run.parse().unwrap(), other.parse().unwrap());
    assert!(!store.is_claimed(&run).await.unwrap());
    for _ in 0..3 {
        let claim = store.claim(&run).await.unwrap();
        assert!(store.is_claimed(&run).await.unwrap());
        assert!(!store.is_claimed(&other).await.unwrap());
        let second = store.claim(&run).await;
        assert!(
            matches!(second, Err(StoreError::Claimed { .. })),
            "{second:?}"
        );
        assert!(store.is_claimed(&run).await.unwrap());
        let of_other = store.claim(&other).await.unwrap();
        drop((claim, of_other));
        assert!(!store.is_claimed(&run).await.unwrap());
    }
}

/// Appends batches of ten events. Everything that a reader sees ends with a whole batch.
async fn readers_see_whole_batches_only(store: Arc<dyn Store>) {
    let run: RunId = RUN.parse().unwrap();
    store.create_run(run_row(RUN)).await.unwrap();
    let (writer, id) = (Arc::clone(&store), run.clone());
    let writing = tokio::spawn(async move {
        for batch in 0..40_u64 {
            let bodies = trial(key(batch, 0), Stage::Pareto, &text("a"), &[1.0; 8]);
            let events = number(batch * 10 + 1, bodies);
            append(&*writer, &id, Seq(batch * 10), events)
                .await
                .unwrap();
        }
    });
    let mut seen = BTreeSet::new();
    while !seen.contains(&400) {
        let summary = store.run(&run).await.unwrap().summary;
        assert_eq!(summary.seq.0 % 10, 0);
        assert_eq!(summary.counters.total_rollouts, summary.seq.0 / 10 * 8);
        let events = store.events(&run, Seq(0), 1_000).await.unwrap();
        assert_eq!(events.len() % 10, 0);
        let rollouts = store.rollouts(&run, Seq(0), 1_000).await.unwrap();
        assert_eq!(rollouts.len() % 8, 0);
        for row in store.trials(&run).await.unwrap() {
            assert_eq!(row.executed, 8);
        }
        seen.insert(summary.seq.0);
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}

async fn runs_written_at_once_do_not_mix(store: Arc<dyn Store>) {
    let ids: Vec<RunId> = (0..8)
        .map(|n| format!("pl_{n:016x}").parse().unwrap())
        .collect();
    for id in &ids {
        store.create_run(run_row(id.as_str())).await.unwrap();
    }
    let appends = ids.iter().map(|id| {
        let (store, id) = (Arc::clone(&store), id.clone());
        tokio::spawn(async move {
            for (after, event) in (0..).zip(journal().iter()) {
                let batch = Arc::new([event.clone()]);
                // One append in three is refused and must not affect the others.
                if after % 3 == 0 {
                    let late = append(&*store, &id, Seq(after + 1), batch.clone()).await;
                    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
                }
                append(&*store, &id, Seq(after), batch).await.unwrap();
            }
        })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap();
    }
    for id in &ids {
        assert_eq!(store.events(id, Seq(0), 1_000).await.unwrap(), *journal());
        assert_eq!(rebuild(&*store, id).await.unwrap(), Vec::new());
    }
}

async fn the_doctor_finds_nothing_wrong(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    assert_eq!(rebuild(&*store, &run).await.unwrap(), Vec::new());
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    let end = journal().len() as u64;
    let more = vec![started(key(9, 0), Stage::Pareto, &text("seed"), 0)];
    append(&*store, &run, Seq(end), number(end + 1, more))
        .await
        .unwrap();
    assert_eq!(rebuild(&*store, &run).await.unwrap(), Vec::new());
}

fn key(iteration: u64, index: u32) -> TrialKey {
    TrialKey { iteration, index }
}

/// Appends events that are newer than the script, which is the fixture of format 1.
async fn pauses_and_ends_from_outside_show_in_the_status(store: Arc<dyn Store>) {
    let run = scripted(&*store).await;
    let at = store.run(&run).await.unwrap().summary.seq;
    let reason = StopReason::Cancelled;
    let steps = [
        (
            EventBody::Fact(Fact::RunPaused(SteeredBy::default())),
            RunStatus::Paused,
        ),
        (
            EventBody::Fact(Fact::RunContinued(SteeredBy::default())),
            RunStatus::Running,
        ),
        (
            EventBody::Fact(Fact::RunAbandoned(RunAbandoned { reason })),
            RunStatus::Cancelled,
        ),
    ];
    for (place, (body, expected)) in (at.0..).zip(steps) {
        let events = number(place + 1, vec![body]);
        append(&*store, &run, Seq(place), events).await.unwrap();
        let summary = store.run(&run).await.unwrap().summary;
        assert_eq!(summary.status, expected);
        assert_eq!(summary.paused, expected == RunStatus::Paused);
    }
    let read = store.events(&run, at, 3).await.unwrap();
    let kinds: Vec<&str> = read.iter().map(|event| event.body.kind()).collect();
    assert_eq!(kinds, ["run_paused", "run_continued", "run_abandoned"]);
    assert_eq!(rebuild(&*store, &run).await.unwrap(), []);
}
