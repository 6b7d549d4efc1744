//! What the gate decides on examples that must not regress.

use std::sync::Arc;

use gepa_engine::verdict::{GateReport, GateRules, RunTables, read_tables};
use gepa_engine::{ExampleId, ExampleSets};
use gepa_evaluation::{Evaluation, Outcome, Scored};
use gepa_testing::{FixedEvaluator, ScriptedModel};

use crate::world::{World, ids, memory};

/// Scores before and now of the first pareto examples: kept, run now only, run never, run before
/// only.
const BEFORE: [Option<f64>; 4] = [Some(0.5), None, None, Some(0.5)];
const NOW: [Option<f64>; 4] = [Some(1.0), Some(0.0), None, None];

/// A run whose best prompt solves every held-out example, none of which the seed solves.
async fn tables() -> RunTables {
    let mut world = World::new();
    world.components = vec![("plan", "seed")];
    world.sets = ExampleSets {
        train: ids(0, 10),
        pareto: ids(100, 10),
        validation: ids(200, 20),
    };
    world.settings.budget.max_rollouts = Some(200);
    let evaluator = Arc::new(FixedEvaluator::new(|request| {
        let is_seed = request
            .candidate
            .components()
            .values()
            .any(|text| &**text == "seed");
        Evaluation::free(Outcome::Scored(Scored {
            score: if is_seed { 0.0 } else { 1.0 },
            ..Scored::default()
        }))
    }));
    let model = Arc::new(ScriptedModel::answering(|_| "```\nbetter\n```".to_owned()));
    let store = memory();
    let builder = world.builder(&store, evaluator).reflection_model(model);
    let result = builder.start().await.unwrap().finish().await.unwrap();
    let mut tables = read_tables(&*store, result.run).await.unwrap();
    let best = tables.run.summary.best;
    for row in Arc::make_mut(&mut tables.candidates) {
        let is_best = row.index == best;
        if let Some(scores) = row.scores.as_mut().filter(|_| row.index.is_some()) {
            scores[..4].copy_from_slice(if is_best { &NOW } else { &BEFORE });
        }
    }
    tables
}

fn gate(tables: &RunTables, places: &[usize]) -> GateReport {
    let named = places.iter().map(|&at| tables.run.pareto[at].clone());
    let rules = GateRules {
        no_regress: named.collect::<Vec<ExampleId>>(),
        ..GateRules::default()
    };
    GateReport::of(tables, &rules)
}

#[tokio::test]
async fn examples_without_a_score_of_the_seed_are_left_out_and_counted() {
    let tables = tables().await;
    let report = gate(&tables, &[0, 1, 2]);
    assert!(report.passed, "{}", report.sentence);
    let held: Vec<Option<bool>> = report.named.iter().map(|example| example.held).collect();
    assert_eq!(held, [Some(true), None, None]);
    assert_eq!(report.named[1].after, Some(0.0));
    let said = "2 of 3 examples that must not regress have no score of the seed";
    assert!(report.sentence.contains(said), "{}", report.sentence);
}

#[tokio::test]
async fn an_example_that_lost_its_score_does_not_pass() {
    let tables = tables().await;
    let report = gate(&tables, &[0, 3]);
    assert!(!report.passed);
    assert_eq!(report.named[1].held, Some(false));
    let said = "1 of 2 examples that must not regress did, or have no score now";
    assert!(report.sentence.contains(said), "{}", report.sentence);
}

#[tokio::test]
async fn a_gate_whose_named_examples_cannot_be_compared_does_not_pass() {
    let mut tables = tables().await;
    assert!(gate(&tables, &[]).passed);
    let report = gate(&tables, &[1, 2]);
    assert!(!report.passed);
    let said = "none of the 2 examples that must not regress has a score of the seed";
    assert!(report.sentence.contains(said), "{}", report.sentence);
    // An example that people took out has no score that counts.
    tables.run.summary.excluded = vec![tables.run.pareto[0].clone()].into_iter().collect();
    let report = gate(&tables, &[0]);
    assert_eq!((report.passed, report.named[0].held), (false, None));
}
