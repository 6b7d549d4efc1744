//! Both stores return the same rollouts for all values, and a journal reads back as it was written.

use std::sync::Arc;

use gepa_engine::{Event, EventBody, Fact, RolloutSettled, RunId, Seq, Store, Timestamp, TrialKey};
use gepa_evaluation::{ExampleId, FailureKind, MicroUsd, Outcome, Scored, Stage, Usage};
use gepa_store::{MemoryStore, SqliteStore, rebuild};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::everything::{append, everything};
use crate::script::{RUN, number, run_row, started, text};

const KEY: TrialKey = TrialKey {
    iteration: u32::MAX as u64,
    index: u32::MAX,
};

fn example() -> impl Strategy<Value = ExampleId> {
    prop_oneof![
        any::<u64>().prop_map(ExampleId::Seed),
        any::<String>().prop_map(|name| ExampleId::from(name.as_str())),
    ]
}

fn usage() -> impl Strategy<Value = Usage> {
    prop::array::uniform7(0..1_u64 << 50).prop_map(|counts| Usage {
        calls: counts[0],
        prompt_tokens: counts[1],
        completion_tokens: counts[2],
        cached_tokens: counts[3],
        unknown_tokens: counts[4],
        cost: MicroUsd(counts[5]),
        unpriced_calls: counts[6],
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let finite = any::<f64>().prop_filter("scores are finite", |score| score.is_finite());
    prop_oneof![
        (finite, any::<Option<String>>()).prop_map(|(score, output)| Outcome::Scored(Scored {
            score,
            output,
            ..Scored::default()
        })),
        any::<String>().prop_map(|message| Outcome::failed(FailureKind::Refused, message)),
    ]
}

prop_compose! {
    fn rollout()(
        example in example(),
        attempts in 1..1_000_u32,
        (started_at, finished_at) in any::<(i64, i64)>(),
        (usage, judge_usage) in (usage(), usage()),
        outcome in outcome(),
    ) -> RolloutSettled {
        RolloutSettled {
            attempts,
            started_at: Timestamp(started_at),
            finished_at: Timestamp(finished_at),
            usage,
            judge_usage,
            ..RolloutSettled::new(KEY, Stage::Pareto, text("a").content_id(), 0, example, outcome)
        }
    }
}

/// Every third rollout failed before and was tried again.
fn journal(rollouts: Vec<RolloutSettled>) -> Arc<[Event]> {
    let mut bodies = vec![started(KEY, Stage::Pareto, &text("a"), 0)];
    for (place, rollout) in (0..).zip(rollouts) {
        let again = place % 3 == 2;
        let position = if again { place - 1 } else { place };
        let failed = Arc::new(Outcome::failed(FailureKind::Transient, "later"));
        let outcome = if place % 3 == 1 {
            failed
        } else {
            rollout.outcome
        };
        bodies.push(EventBody::Fact(Fact::RolloutSettled(Box::new(
            RolloutSettled {
                position,
                again,
                outcome,
                ..rollout
            },
        ))));
    }
    number(1, bodies)
}

async fn check(events: Arc<[Event]>) {
    let run: RunId = RUN.parse().unwrap();
    let folder = TempDir::new().unwrap();
    let sqlite = SqliteStore::open(folder.path().join("runs.db")).unwrap();
    let memory = MemoryStore::new();
    for store in [&sqlite as &dyn Store, &memory] {
        store.create_run(run_row(RUN)).await.unwrap();
        append(store, &run, Seq(0), Arc::clone(&events))
            .await
            .unwrap();
    }
    assert_eq!(rebuild(&sqlite, &run).await.unwrap(), []);
    let stored = everything(&sqlite, &run).await;
    assert_eq!(stored, everything(&memory, &run).await);
    assert_eq!(stored.events, *events);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_rollout_reads_back_the_same(rollouts in prop::collection::vec(rollout(), 1..8)) {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(check(journal(rollouts)));
    }
}
