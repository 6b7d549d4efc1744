//! With a deterministic evaluator no text is run twice on the same example, also where several proposals
//! are in flight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gepa_engine::config::Evaluation as Rows;
use gepa_engine::replay::verify;
use gepa_engine::{BranchPoint, EventBody, Fact, RunEnd, RunId, Store};
use gepa_evaluation::{Evaluation, Evaluator, EvaluatorInfo, Outcome, RolloutRequest};
use gepa_testing::ScriptedModel;
use parking_lot::Mutex;

use crate::world::{World, count, decisions, ids, journal, memory};

/// Scores every text alike after a while, and counts the calls by text and example.
#[derive(Debug, Default)]
struct Counting {
    calls: Mutex<BTreeMap<String, usize>>,
    /// The n-th call ends after another time than the one before.
    shuffled: bool,
}

impl Counting {
    fn all(&self) -> usize {
        self.calls.lock().values().sum()
    }

    fn distinct(&self) -> usize {
        self.calls.lock().len()
    }
}

#[async_trait]
impl Evaluator for Counting {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        let pair = format!("{:?} {}", request.candidate, request.example);
        *self.calls.lock().entry(pair).or_default() += 1;
        let number = self.all() as u64;
        let pause = if self.shuffled { number * 7 % 5 } else { 1 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Evaluation::free(Outcome::score(0.5))
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("counting")
    }
}

/// The reflection model gives one and the same text, which is not better. Sets of eight examples.
fn repeating(rows: Rows, lag: u32) -> World {
    let mut world = World::new();
    world.components = vec![("instruction", "Say pos or neg.")];
    world.sets.train = ids(0, 8);
    world.sets.pareto = ids(8, 8);
    world.sets.validation = ids(16, 8);
    world.settings.search.evaluation = rows;
    world.settings.run.gate_lag = lag;
    world.settings.run.pareto_lag = lag;
    world
}

fn one_text() -> Arc<ScriptedModel> {
    let reply = "```\nClassify as pos or neg.\n```".to_owned();
    Arc::new(ScriptedModel::answering(move |_| reply.clone()))
}

#[tokio::test]
async fn as_many_calls_are_made_as_there_are_pairs_of_text_and_example() {
    for rows in [Rows::Growing, Rows::Full] {
        let mut journals = Vec::new();
        for slots in [1, 4, 256] {
            // The lags are the defaults: 4 where rows grow, otherwise 2.
            let mut world = repeating(rows, if rows == Rows::Growing { 4 } else { 2 });
            world.settings.run.max_concurrent = slots;
            let evaluator = Arc::new(Counting {
                shuffled: slots == 256,
                ..Counting::default()
            });
            let store = memory();
            let builder = world.builder(&store, Arc::clone(&evaluator) as _);
            let run = builder.reflection_model(one_text()).start().await.unwrap();
            let result = run.finish().await.unwrap();
            // The seed on 24 examples, and the other text on the eight of the training set.
            assert_eq!((evaluator.all(), evaluator.distinct()), (32, 32), "{slots}");
            assert_eq!(result.run.summary.counters.total_rollouts, 32);
            journals.push(decisions(&journal(&store, &result.run.run_id).await));
        }
        assert_eq!(journals[0], journals[1]);
        assert_eq!(journals[0], journals[2]);
    }
}

#[tokio::test]
async fn a_run_without_sharing_in_flight_buys_some_of_them_again() {
    let mut world = repeating(Rows::Growing, 4);
    world.settings.search.reuse_in_flight = false;
    let evaluator = Arc::new(Counting::default());
    let store = memory();
    let builder = world.builder(&store, Arc::clone(&evaluator) as _);
    let run = builder.reflection_model(one_text()).start().await.unwrap();
    run.finish().await.unwrap();
    assert_eq!(evaluator.distinct(), 32);
    assert!(evaluator.all() > 40, "{}", evaluator.all());
}

async fn finished(store: &Arc<dyn Store>, world: &World) -> (RunId, Arc<Counting>) {
    let evaluator = Arc::new(Counting::default());
    let builder = world.builder(store, Arc::clone(&evaluator) as _);
    let run = builder.reflection_model(one_text()).start().await.unwrap();
    (run.finish().await.unwrap().run.run_id, evaluator)
}

#[tokio::test]
async fn a_journal_with_shared_outcomes_is_decided_again_alike_and_its_tables_follow_from_it() {
    for rows in [Rows::Growing, Rows::Full] {
        let world = repeating(rows, 4);
        let store = memory();
        let (run, _) = finished(&store, &world).await;
        let verified = verify(&*store, &run, &world.config()).await.unwrap();
        assert!(verified.reuse && verified.pending == 0);
        let differences = gepa_store::rebuild(&*store, &run).await.unwrap();
        assert!(differences.is_empty(), "{differences:?}");
    }
}

#[tokio::test]
async fn a_branch_at_any_iteration_buys_nothing_that_its_origin_bought() {
    let world = repeating(Rows::Growing, 4);
    let store = memory();
    let (origin, _) = finished(&store, &world).await;
    for iteration in 0..9 {
        let evaluator = Arc::new(Counting::default());
        let builder = world.builder(&store, Arc::clone(&evaluator) as _);
        let builder = builder.reflection_model(one_text());
        let point = BranchPoint {
            run: origin.clone(),
            iteration: Some(iteration),
            config: world.config(),
        };
        let handle = builder.branch(point).await.unwrap();
        let run = handle.finish().await.unwrap().run.run_id;
        assert_eq!(evaluator.all(), 0, "branch at {iteration}");
        verify(&*store, &run, &world.config()).await.unwrap();
        let differences = gepa_store::rebuild(&*store, &run).await.unwrap();
        assert!(differences.is_empty(), "{differences:?}");
    }
}

#[tokio::test]
async fn an_interrupted_run_goes_on_and_makes_only_the_calls_that_it_lost() {
    for after in [9, 13, 17, 20] {
        let mut world = repeating(Rows::Growing, 4);
        world.settings.run.max_concurrent = 3;
        let store = memory();
        let first = Arc::new(Counting::default());
        let builder = world.builder(&store, Arc::clone(&first) as _);
        let run = builder.reflection_model(one_text()).start().await.unwrap();
        let (mut events, control) = (run.subscribe(), run.control());
        let mut settled = 0;
        while settled < after {
            settled += count(&events.recv().await.unwrap(), |body| {
                matches!(body, EventBody::Fact(Fact::RolloutSettled(_)))
            });
        }
        control.interrupt("test");
        let result = run.finish().await.unwrap();
        assert!(matches!(result.end, RunEnd::Interrupted { .. }));
        let run_id = result.run.run_id;
        let second = Arc::new(Counting::default());
        let builder = world.builder(&store, Arc::clone(&second) as _);
        let builder = builder.reflection_model(one_text());
        let resumed = builder.resume(run_id.clone()).await.unwrap();
        resumed.finish().await.unwrap();
        // Calls in flight ended before the process left.
        assert_eq!(first.all() + second.all(), 32, "after {after}");
        verify(&*store, &run_id, &world.config()).await.unwrap();
    }
}
