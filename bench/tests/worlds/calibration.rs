//! Calibrated worlds resemble recorded runs of the reference implementation by their moments.

use std::sync::Arc;

use gepa_bench::worlds::{
    Conditions, Family, LARGEST_SET, Moments, Role, RunFigures, Search, Split, World, WorldModel,
};
use gepa_engine::Settings;
use gepa_engine::config::{Duplicates, Evaluation, ParentSelection, Speculation};
use gepa_evaluation::Message;

const WORLDS: u64 = 12;

/// The moments of recorded runs with the deviations that this many worlds need. `docs/benchmarks.md`
/// has the figures over more worlds.
#[tokio::test]
async fn the_typical_family_has_the_moments_of_recorded_runs() {
    let runs = runs(Family::Typical, ParentSelection::Pareto).await;
    let found = Moments::of(&runs);
    let inside = |value: f64, low: f64, high: f64| (low..=high).contains(&value);
    assert!(inside(found.accepted, 0.23, 0.45), "{found:?}");
    let [_, tie, worse] = found.gates;
    assert!(inside(tie, 0.35, 0.55), "{found:?}");
    assert!(inside(worse, 0.12, 0.25), "{found:?}");
    let recorded = [-0.077, -0.020, 0.007, 0.034, 0.097];
    let tolerated = [0.035, 0.02, 0.02, 0.035, 0.05];
    for at in 0..recorded.len() {
        let off = (found.quantiles[at] - recorded[at]).abs();
        assert!(off <= tolerated[at], "{found:?}");
    }
    assert!(inside(found.better, 0.45, 0.65), "{found:?}");
    assert!(inside(found.slope, 0.3, 0.7), "{found:?}");
    assert!(inside(found.half_gain, 0.1, 0.3), "{found:?}");
    assert!(inside(found.phi, 0.42, 0.65), "{found:?}");
    assert!(inside(found.discordant, 0.2, 0.3), "{found:?}");
    // A child that loses this much passed its gate.
    assert!(found.worst < -0.15, "{found:?}");
    let greedy = self::runs(Family::Typical, ParentSelection::CurrentBest).await;
    let ahead = Moments::of(&runs).best - Moments::of(&greedy).best;
    assert!(inside(ahead, -0.06, 0.07), "Pareto minus greedy {ahead}");
}

#[tokio::test]
async fn a_classification_family_answers_most_items_alike() {
    let found = Moments::of(&runs(Family::Niche, ParentSelection::Pareto).await);
    assert!((0.65..=0.9).contains(&found.phi), "{found:?}");
    assert!((0.01..=0.19).contains(&found.discordant), "{found:?}");
}

#[test]
fn the_same_parent_gets_the_same_lesson_from_an_item_unless_the_family_is_fresh() {
    let repeated = share_of_repeats(Family::Typical);
    let fresh = share_of_repeats(Family::Fresh);
    assert!((0.4..0.9).contains(&repeated), "{repeated}");
    assert!(fresh < repeated - 0.2, "{fresh}, {repeated}");
}

#[test]
fn where_nothing_can_be_learned_no_line_makes_a_prompt_better() {
    for family in [Family::Nothing, Family::NothingNoisy] {
        let world = World::new(family, 3);
        let truth = |prompt: &str| world.expected(&world.read(prompt), Split::Test, LARGEST_SET);
        let seed = truth(world.seed_prompt());
        for rule in world.hidden_rules() {
            let prompt = format!("{}\n- {rule}", world.seed_prompt());
            assert!(truth(&prompt) <= seed, "{family}: {rule}");
        }
    }
}

#[test]
fn prompts_that_share_lines_share_luck() {
    let world = World::new(Family::Saturated, 2);
    let rules = world.hidden_rules();
    let long = format!("{}\n- {}", world.seed_prompt(), rules.join("\n- "));
    let child = format!("{long}\n- Be precise.");
    let rewritten = format!("Classify the request below.\n- {}", rules[..7].join("\n- "));
    let differing = |one: &str, other: &str| {
        let (one, other) = (world.read(one), world.read(other));
        let items = world.items(Split::Pareto).iter();
        let differ = |item: &&gepa_bench::worlds::Item| {
            world.reply(&one, item, 0) != world.reply(&other, item, 0)
        };
        items.filter(differ).count()
    };
    assert!(differing(&long, &child) > 0);
    assert!(differing(&long, &rewritten) > 2 * differing(&long, &child));
}

/// How often two replies from the same parent, on minibatches that share an item, are equal in the
/// item's lesson: here, whether two replies on the same item alone are the same text.
fn share_of_repeats(family: Family) -> f64 {
    let model = WorldModel::new(Arc::new(World::new(family, 1)));
    let world = Arc::clone(model.world());
    let (mut same, mut all) = (0, 0);
    for item in &world.items(Split::Train)[..60] {
        let prompt = format!(
            "```\n{}\n```\n{}\n{}",
            world.seed_prompt(),
            item.input,
            item.feedback_wrong
        );
        let messages = [Message::new("user", prompt)];
        let first = model.answer(Role::Reflector, &messages, 0).text;
        for sample in 1..6 {
            all += 1;
            same += usize::from(model.answer(Role::Reflector, &messages, sample).text == first);
        }
    }
    same as f64 / f64::from(all)
}

async fn runs(family: Family, parent: ParentSelection) -> Vec<RunFigures> {
    let mut runs = Vec::new();
    for seed in 0..WORLDS {
        let mut settings = Settings::default();
        settings.search.evaluation = Evaluation::Full;
        settings.run.seed = seed;
        settings.run.gate_lag = 1;
        settings.run.pareto_lag = 1;
        settings.run.speculate = Speculation::Off;
        settings.search.parent = parent;
        settings.search.reuse_outcomes = Some(false);
        settings.search.duplicates = Duplicates::Keep;
        settings.budget.max_rollouts = Some(5_000);
        let world = Arc::new(World::new(family, seed));
        let search = Search {
            world: Arc::clone(&world),
            conditions: Conditions::default(),
            settings,
            train: 150,
            pareto: 300,
            validation: 0,
        };
        runs.push(RunFigures::of(&world, &search.finish().await.unwrap()));
    }
    runs
}
