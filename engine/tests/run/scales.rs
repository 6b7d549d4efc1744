//! Scores of any scale, and failures that never pay.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_engine::verdict::{CONFIDENCE, Cause, ComparedSet, Verdict, evidence, read_tables};
use gepa_engine::{CloseReason, Decision, EventBody, Run, RunResult};
use gepa_evaluation::{
    Evaluation, Evaluator, EvaluatorInfo, ExampleId, FailureKind, Outcome, RolloutRequest,
    ScoreRange,
};
use gepa_testing::ScriptedModel;

use crate::world::{Finished, World, memory};

type Answer = fn(&RolloutRequest) -> Outcome;

/// Answers at once, on a scale of its own.
struct Scaled {
    answer: Answer,
    range: Option<ScoreRange>,
}

#[async_trait]
impl Evaluator for Scaled {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        Evaluation::free((self.answer)(&request))
    }

    fn score_range(&self) -> Option<ScoreRange> {
        self.range
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("scaled")
    }
}

impl fmt::Debug for Scaled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scaled").finish_non_exhaustive()
    }
}

/// Runs a few iterations in which the texts "v1", "v2" and so on are proposed.
async fn finish(mut world: World, answer: Answer, range: Option<ScoreRange>) -> Finished {
    world.components.truncate(1);
    world.settings.run.gate_lag = 1;
    world.settings.run.pareto_lag = 1;
    let count = std::sync::atomic::AtomicU32::new(1);
    let model = ScriptedModel::answering(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        format!("```\nv{number}\n```")
    });
    let store = memory();
    let builder = Run::builder(world.config()).store(Arc::clone(&store));
    let builder = builder.evaluator(Arc::new(Scaled { answer, range }));
    let handle = builder.reflection_model(Arc::new(model)).start();
    let result = handle.await.unwrap().finish().await.unwrap();
    Finished { store, result }
}

fn text(request: &RolloutRequest) -> String {
    let texts = request.candidate.components().values();
    texts.map(ToString::to_string).collect()
}

fn number(request: &RolloutRequest) -> u64 {
    match &request.example {
        ExampleId::Seed(seed) => *seed,
        ExampleId::Name(_) => 0,
    }
}

fn short(iterations: u64) -> World {
    let mut world = World::new();
    world.settings.budget.max_iterations = Some(iterations);
    world
}

fn perfect(result: &RunResult) -> u64 {
    let endings = result.run.summary.endings.as_ref();
    endings.unwrap().closed_by(CloseReason::Perfect)
}

#[tokio::test]
async fn a_score_above_one_is_perfect_only_where_the_scale_says_so() {
    let forty: Answer = |_| Outcome::score(40.0);
    let inferred = finish(short(3), forty, None).await;
    assert_eq!(perfect(&inferred.result), 0);
    let scores = inferred.result.run.summary.scores.unwrap();
    assert_eq!((scores.lowest, scores.highest), (Some(40.0), Some(40.0)));
    assert!(scores.warning(None).unwrap().contains("score_range"));
    assert!(scores.warning(Some(1.0)).unwrap().contains("perfect_score"));
    let tables = read_tables(&*inferred.store, inferred.result.run.clone()).await;
    let causes = Verdict::of(&tables.unwrap()).causes;
    let is_above = |cause: &Cause| matches!(cause, Cause::ScoresAbovePerfect { .. });
    assert!(
        !causes.iter().any(is_above),
        "no score is perfect: {causes:?}"
    );

    let declared = finish(short(3), forty, ScoreRange::new(0.0, 100.0)).await;
    assert_eq!(perfect(&declared.result), 0);
    assert_eq!(
        declared.result.run.summary.scores.unwrap().warning(None),
        None
    );
    let top = finish(short(3), forty, ScoreRange::new(0.0, 40.0)).await;
    assert_eq!(perfect(&top.result), 3);
    let mut world = short(3);
    world.settings.search.perfect_score = Some(1.0);
    let configured = finish(world, forty, None).await;
    assert_eq!(perfect(&configured.result), 3, "as the user asked");
    let one = finish(short(3), |_| Outcome::score(1.0), None).await;
    assert_eq!(perfect(&one.result), 3);
    let negative = finish(short(3), |_| Outcome::score(-2.5), None).await;
    assert_eq!(perfect(&negative.result), 0);
    assert_eq!(negative.result.run.summary.baseline_score, Some(-2.5));
}

/// v1 is right on four of eight, wrong on one, and declines the other three; v2 is right on five.
fn declining(request: &RolloutRequest) -> Outcome {
    let place = number(request) % 8;
    let right = |yes: bool| Outcome::score(f64::from(u8::from(yes)));
    match text(request).as_str() {
        "v2" => right(place < 5),
        "v1" if place >= 5 => Outcome::failed(FailureKind::Refused, "declined"),
        "v1" => right(place < 4),
        _ => right(place < 3),
    }
}

#[tokio::test]
async fn no_candidate_gains_by_failing() {
    let mut world = short(2);
    world.settings.search.minibatch_size = 8;
    world.settings.validation.top_k = 2;
    world.settings.search.acceptance = gepa_engine::config::Acceptance::ImprovementOrEqual;
    world.settings.rollouts.max_failure_fraction = 1.0;
    world.sets.train = crate::world::ids(0, 8);
    world.sets.validation = crate::world::ids(200, 8);
    let finished = finish(world, declining, None).await;
    let best = finished.result.best.as_ref().unwrap();
    assert_eq!(best.components.text("plan").map(|text| &**text), Some("v2"));
    let candidates = finished
        .store
        .candidates(&finished.result.run.run_id)
        .await
        .unwrap();
    for row in candidates {
        let known: Vec<f64> = row.scores.iter().flatten().copied().flatten().collect();
        if row
            .components
            .text("plan")
            .is_some_and(|text| &**text == "v1")
        {
            assert_eq!(known.len(), 5, "failures stay failures");
            assert_eq!(row.mean_score, Some(0.5));
        }
    }
    for result in &finished.result.run.summary.validation {
        assert!(result.mean_score <= Some(0.625), "{result:?}");
    }
}

#[tokio::test]
async fn failing_gains_nothing_where_the_seed_is_at_its_worst_and_no_lowest_score_is_known() {
    // The seed scores -2 everywhere; v1 scores -1 and declines every second example.
    let answer: Answer = |request| match text(request).as_str() {
        "a" => Outcome::score(-2.0),
        _ if number(request).is_multiple_of(2) => Outcome::failed(FailureKind::Refused, "declined"),
        _ => Outcome::score(-1.0),
    };
    let run = |range| async move {
        let mut world = short(1);
        world.settings.search.minibatch_size = 8;
        world.settings.search.acceptance = gepa_engine::config::Acceptance::ImprovementOrEqual;
        world.settings.rollouts.max_failure_fraction = 1.0;
        world.sets.train = crate::world::ids(0, 8);
        finish(world, answer, range).await
    };
    let unbounded = run(None).await;
    let journal = unbounded.journal().await;
    let gate = journal.iter().find_map(|event| match &event.body {
        EventBody::Decision(Decision::GateDecided(gate)) => Some(gate),
        _ => None,
    });
    let gate = gate.unwrap();
    assert_eq!((gate.parent_sum, gate.child_sum), (-16.0, -20.0));
    assert!(!gate.passed);
    // Where the lowest score is declared, a failure counts as that.
    let bounded = run(ScoreRange::new(-2.0, 0.0)).await;
    let best = bounded.result.best.as_ref().unwrap();
    assert_eq!(best.mean_score, Some(-1.5));
    let tables = read_tables(&*bounded.store, bounded.result.run.clone()).await;
    let tables = tables.unwrap();
    for set in [ComparedSet::Pareto, ComparedSet::Validation] {
        let counted = tables.counted(set, tables.best().unwrap()).unwrap();
        assert_eq!(counted.failure_score, -2.0);
        assert_eq!(2 * counted.failures, counted.scores.len());
        let known: Vec<f64> = counted.scores.into_iter().flatten().collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        assert_eq!(mean, -1.5, "the table's mean is that of the search");
    }
    let evidence = evidence(&tables, CONFIDENCE).unwrap();
    assert_eq!(evidence.comparison.after, -1.5, "and that of the verdict");
}

#[tokio::test]
async fn the_gate_counts_failures_of_both_sides() {
    // The parent fails on every second example, and each child fails on all of them.
    let answer: Answer = |request| {
        if text(request) == "a" && number(request).is_multiple_of(2) {
            Outcome::score(0.5)
        } else {
            Outcome::failed(FailureKind::Permanent, "broken")
        }
    };
    let mut world = short(4);
    world.settings.search.minibatch_size = 6;
    world.settings.rollouts.max_failure_fraction = 1.0;
    let finished = finish(world, answer, ScoreRange::new(0.0, 1.0)).await;
    let journal = finished.journal().await;
    let gates = journal.iter().filter_map(|event| match &event.body {
        EventBody::Decision(Decision::GateDecided(gate)) => Some(gate),
        _ => None,
    });
    let gates: Vec<_> = gates.collect();
    assert!(!gates.is_empty());
    for gate in gates {
        assert_eq!((gate.compared, gate.passed), (6, false), "{gate:?}");
        assert!(gate.parent_sum > gate.child_sum);
    }
}

#[tokio::test]
async fn what_failed_for_a_passing_reason_is_bought_once_more() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let answer: Answer = |request| {
        let is_odd_one = number(request) == 103;
        if is_odd_one && CALLS.fetch_add(1, Ordering::SeqCst) < 3 {
            return Outcome::failed(FailureKind::Transient, "overloaded");
        }
        Outcome::score(0.5)
    };
    let finished = finish(short(0), answer, None).await;
    let best = finished.result.best.unwrap();
    assert_eq!(best.scores.unwrap(), vec![Some(0.5); 8]);
    let counters = &finished.result.run.summary.counters;
    assert_eq!(
        (
            counters.failed_rollouts,
            counters.optimization_rollouts_executed
        ),
        (0, 8)
    );
}

#[tokio::test]
async fn a_repeated_text_buys_nothing_and_ends_the_search() {
    let mut world = World::new();
    world.sets.train = crate::world::ids(0, 8);
    world.settings.run.gate_lag = 1;
    world.settings.run.pareto_lag = 1;
    world.settings.budget.max_rollouts = Some(2_000);
    world.components.truncate(1);
    let probe = crate::probe::Probe::new();
    let probe = probe
        .answering(|_| Evaluation::free(Outcome::score(0.5)))
        .shared();
    let store = memory();
    let model = ScriptedModel::answering(|_| "```\nthe same every time\n```".to_owned());
    let builder = Run::builder(world.config()).store(Arc::clone(&store));
    let builder = builder
        .evaluator(probe.clone())
        .reflection_model(Arc::new(model));
    let result = builder.start().await.unwrap().finish().await.unwrap();
    let reason = result.run.summary.stop_reason.as_ref().unwrap();
    assert_eq!(reason.as_str(), "repetition", "{reason}");
    // Seed and child on 8 train examples, the seed on 8 pareto and 6 validation examples.
    assert_eq!(probe.begun(), 8 + 8 + 8 + 6);
    assert!(result.run.summary.counters.reflection_calls < 20);
}
