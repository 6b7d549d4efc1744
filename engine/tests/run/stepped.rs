//! Runs whose caller carries out the orders itself.

use std::sync::Arc;

use gepa_engine::config::{BudgetSettings, SearchRules};
use gepa_engine::policy::Policies;
use gepa_engine::{
    EvaluatorInfo, Event, EventBody, Fact, Order, Outcome, Rewritten, RolloutRequest, RunId,
    SteppedRun, Steps, StopReason, Store, Timestamp, Usage, replay,
};

use crate::world::{World, hash, journal, judge, memory};

fn world(rules: SearchRules) -> World {
    let mut world = World::new();
    world.settings.search.rules = rules;
    world.settings.run.gate_lag = 1;
    world.settings.run.pareto_lag = 1;
    world.settings.merge.enabled = true;
    world.settings.search.reuse_outcomes = Some(false);
    world.settings.budget = BudgetSettings::default();
    world.settings.budget.max_iterations = Some(25);
    world
}

fn steps(world: &World, store: &Arc<dyn Store>) -> Steps {
    Steps {
        config: world.config(),
        policies: Policies::new(),
        store: Arc::clone(store),
        run_id: "pl_0123456789abcdef".parse::<RunId>().unwrap(),
        described: serde_json::Value::Null,
        info: EvaluatorInfo::without_model("test"),
        paced: true,
        journaled: true,
    }
}

/// Carries out up to `most` orders and asks for generations in between. Returns whether the run is
/// over.
async fn drive(run: &mut SteppedRun, most: usize) -> bool {
    let mut left = most;
    while !run.is_finished() {
        let orders = run.take_orders();
        if orders.is_empty() {
            run.request_generation();
        }
        for order in orders {
            run.commit().await.unwrap();
            if left == 0 {
                return false;
            }
            left -= 1;
            carry_out(run, &order);
        }
    }
    run.commit().await.unwrap();
    true
}

fn carry_out(run: &mut SteppedRun, order: &Order) {
    match order {
        Order::Trial(order) => {
            for (position, example) in &order.rollouts {
                let request = RolloutRequest {
                    candidate: Arc::clone(&order.candidate),
                    example: example.clone(),
                    run_id: run.run_id().shared(),
                    trial_id: "trial".into(),
                    stage: order.stage,
                    iteration: order.trial.iteration,
                    trial_index: order.trial.index,
                    attempt: 1,
                };
                assert!(run.settle(order.trial, *position, judge(&request), Usage::default()));
            }
        }
        Order::Reflection(order) => {
            let noise = hash(&format!("{}{}", order.iteration, order.component));
            let answer = Rewritten {
                text: Ok("x".repeat((noise % 9) as usize + 1)),
                reply: None,
                usage: Usage::default(),
                since: Timestamp::now(),
            };
            run.settle_reflection(order.iteration, &order.component, order.attempt, answer);
        }
        other => panic!("an order of an unknown kind: {other:?}"),
    }
}

fn decided(journal: &[Event]) -> Vec<&EventBody> {
    let bodies = journal.iter().map(|event| &event.body);
    bodies.filter(|body| !body.is_fact()).collect()
}

#[tokio::test]
async fn a_stepped_run_can_be_decided_again_from_its_journal() {
    for rules in [SearchRules::Own, SearchRules::Reference] {
        let (world, store) = (world(rules), memory());
        let mut run = SteppedRun::start(steps(&world, &store)).await.unwrap();
        assert!(drive(&mut run, usize::MAX).await);
        let id = run.run_id().clone();
        assert!(
            run.archive().len() > 1,
            "nothing was accepted under {rules:?}"
        );
        drop(run);
        let verified = replay::verify(&*store, &id, &world.config()).await.unwrap();
        assert_eq!(verified.pending, 0, "{rules:?}");
    }
}

#[tokio::test]
async fn a_stepped_run_goes_on_where_another_process_left_it() {
    let world = world(SearchRules::Reference);
    let whole = memory();
    let mut run = SteppedRun::start(steps(&world, &whole)).await.unwrap();
    assert!(drive(&mut run, usize::MAX).await);
    let whole = journal(&whole, run.run_id()).await;
    for cut in [0, 1, 2, 3, 7, 20, 41] {
        let store = memory();
        let mut run = SteppedRun::start(steps(&world, &store)).await.unwrap();
        assert!(
            !drive(&mut run, cut).await,
            "the run is over after {cut} orders"
        );
        drop(run);
        let mut run = SteppedRun::resume(steps(&world, &store)).await.unwrap();
        assert!(drive(&mut run, usize::MAX).await);
        let resumed = journal(&store, run.run_id()).await;
        assert_eq!(decided(&resumed), decided(&whole), "cut after {cut} orders");
    }
}

#[tokio::test]
async fn a_run_ends_when_its_caller_stops_it_between_generations() {
    let (world, store) = (world(SearchRules::Own), memory());
    let mut run = SteppedRun::start(steps(&world, &store)).await.unwrap();
    while run.counters().iterations < 2 {
        for order in run.take_orders() {
            carry_out(&mut run, &order);
        }
        run.request_generation();
    }
    run.stop(StopReason::Requested);
    assert!(drive(&mut run, usize::MAX).await);
    assert_eq!(run.stop_reason(), Some(&StopReason::Requested));
    let id = run.run_id().clone();
    drop(run);
    replay::verify(&*store, &id, &world.config()).await.unwrap();
}

#[tokio::test]
async fn a_trace_that_comes_before_the_commit_is_stored_with_its_outcome() {
    let (world, store) = (world(SearchRules::Own), memory());
    let mut run = SteppedRun::start(steps(&world, &store)).await.unwrap();
    let orders = run.take_orders();
    let [Order::Trial(seed)] = &orders[..] else {
        panic!("the seed comes first: {orders:?}");
    };
    let (trial, (position, _)) = (seed.trial, &seed.rollouts[0]);
    assert!(
        !run.add_trace(trial, *position, 1.into()),
        "nothing is settled yet"
    );
    carry_out(&mut run, &orders[0]);
    assert!(run.add_trace(trial, *position, "kept".into()));
    run.commit().await.unwrap();
    assert!(!run.add_trace(trial, *position, "late".into()));
    let traces: Vec<_> = journal(&store, run.run_id())
        .await
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Fact(Fact::RolloutSettled(settled)) => match &*settled.outcome {
                Outcome::Scored(scored) => scored.trace.clone(),
                Outcome::Failed(_) => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(traces, ["kept"]);
}

#[tokio::test]
async fn a_run_without_a_journal_decides_the_same_and_stores_nothing() {
    let world = world(SearchRules::Own);
    let mut kept = Vec::new();
    for journaled in [true, false] {
        let store: Arc<dyn Store> = memory();
        let mut steps = steps(&world, &store);
        steps.journaled = journaled;
        let run_id = steps.run_id.clone();
        let mut run = SteppedRun::start(steps).await.unwrap();
        assert!(drive(&mut run, usize::MAX).await);
        let texts = run.archive().live().to_vec();
        kept.push((run.counters().total_rollouts, texts));
        let stored = store
            .events(&run_id, gepa_engine::Seq(0), 10)
            .await
            .unwrap();
        assert_eq!(stored.is_empty(), !journaled);
    }
    assert_eq!(kept[0], kept[1]);
}
