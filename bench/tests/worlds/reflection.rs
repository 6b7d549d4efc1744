//! The reflection model: it knows only the content of its prompt.

use std::collections::BTreeSet;
use std::sync::Arc;

use gepa_bench::worlds::{Family, Item, LARGEST_SET, Role, Split, World, WorldModel};
use gepa_evaluation::Message;

const SAMPLES: u64 = 300;

#[test]
fn failures_that_are_not_shown_never_yield_their_rules() {
    for family in Family::all() {
        let model = model(family, 5);
        let world = model.world();
        let shown: Vec<&Item> = world.items(Split::Train)[..3].iter().collect();
        let taught: BTreeSet<usize> = shown.iter().flat_map(|item| world.needs(item)).collect();
        let prompt = reflection(world.seed_prompt(), &shown, &[]);
        let mut learned = BTreeSet::new();
        for sample in 0..SAMPLES {
            let reply = model.answer(Role::Reflector, &prompt, sample).text;
            learned.extend(rules_in(world, &reply));
            for item in &world.items(Split::Train)[3..] {
                assert!(!reply.contains(&item.id), "{family}: {}", item.id);
            }
        }
        assert!(learned.is_subset(&taught), "{family}: {learned:?}");
        assert_eq!(
            learned, taught,
            "{family}: enough samples find all there is"
        );
    }
}

#[test]
fn items_answered_rightly_teach_nothing() {
    let model = model(Family::Additive, 5);
    let world = model.world();
    let right: Vec<&Item> = world.items(Split::Train)[..3].iter().collect();
    let prompt = reflection(world.seed_prompt(), &[], &right);
    for sample in 0..SAMPLES {
        let reply = model.answer(Role::Reflector, &prompt, sample).text;
        assert_eq!(rules_in(world, &reply), BTreeSet::new());
        assert!(right.iter().all(|item| !reply.contains(&item.id)));
    }
}

#[test]
fn a_client_that_judges_in_its_own_words_is_understood() {
    let model = model(Family::Additive, 5);
    let world = model.world();
    let item = needy(world);
    let shown = |reply: &str| {
        let text = format!(
            "# Example 1\n## Inputs\n{}\n## Output\n{reply}\n## Feedback\nexpected {}",
            item.input, item.answer
        );
        let prompt = format!("```\n{}\n```\n{text}", world.seed_prompt());
        let mut learned = BTreeSet::new();
        for sample in 0..SAMPLES {
            let messages = [Message::new("user", prompt.as_str())];
            let reply = model.answer(Role::Reflector, &messages, sample).text;
            learned.extend(rules_in(world, &reply));
        }
        learned
    };
    let wrong = if item.answer == "amber" {
        "teal"
    } else {
        "amber"
    };
    let needed: BTreeSet<usize> = world.needs(item).into_iter().collect();
    assert_eq!(shown(wrong), needed);
    assert_eq!(shown(item.answer), BTreeSet::new());
}

#[test]
fn the_present_rules_are_kept_save_those_forgotten() {
    let kept_share = |family| {
        let model = model(family, 2);
        let world = model.world();
        let rules = world.hidden_rules();
        let present = format!("{}\n- {}", world.seed_prompt(), rules[..5].join("\n- "));
        let prompt = reflection(&present, &[], &[&world.items(Split::Train)[0]]);
        let kept: usize = (0..SAMPLES)
            .map(|sample| {
                let reply = model.answer(Role::Reflector, &prompt, sample).text;
                rules_in(world, &reply).len()
            })
            .sum();
        kept as f64 / (5 * SAMPLES) as f64
    };
    // 1500 draws each; four standard errors are 2 and 4 points.
    assert!((kept_share(Family::Additive) - 0.96).abs() < 0.02);
    assert!((kept_share(Family::Forgetting) - 0.84).abs() < 0.04);
}

#[test]
fn a_prompt_that_asks_for_several_texts_gets_different_ones() {
    let model = model(Family::Additive, 5);
    let world = model.world();
    let failures: Vec<&Item> = world.items(Split::Train)[..3].iter().collect();
    let mut most = 0;
    for request in [
        "Write 4 different versions",
        "Give four alternatives, each in a block",
    ] {
        let mut prompt = reflection(world.seed_prompt(), &failures, &[]);
        prompt[0].content.push_str(request);
        for sample in 0..20 {
            let reply = model.answer(Role::Reflector, &prompt, sample).text;
            let blocks: Vec<&str> = reply.split("```").skip(1).step_by(2).collect();
            let different: BTreeSet<&&str> = blocks.iter().collect();
            assert_eq!(different.len(), blocks.len());
            assert!(blocks.len() <= 4);
            most = most.max(blocks.len());
        }
    }
    assert_eq!(most, 4);
}

#[test]
fn some_replies_have_a_broken_fence() {
    let model = model(Family::Additive, 5);
    let failures: Vec<&Item> = model.world().items(Split::Train)[..2].iter().collect();
    let prompt = reflection(model.world().seed_prompt(), &failures, &[]);
    let broken = (0..1_000)
        .map(|sample| model.answer(Role::Reflector, &prompt, sample).text)
        .filter(|reply| reply.matches("```").count() != 2)
        .count();
    assert!((8..60).contains(&broken), "{broken} of 1000");
}

#[test]
fn where_nothing_can_be_learned_no_reflection_leads_anywhere_better() {
    for seed in 0..6 {
        let model = model(Family::NothingLearnable, seed);
        let world = model.world();
        let score = |text: &str| world.expected(&world.read(text), Split::Test, LARGEST_SET);
        let before = score(world.seed_prompt());
        let mut present = world.seed_prompt().to_owned();
        for step in 0..60 {
            let at = (step * 7) % 400;
            let failures: Vec<&Item> = world.items(Split::Train)[at..at + 3].iter().collect();
            let prompt = reflection(&present, &failures, &[]);
            let reply = model.answer(Role::Reflector, &prompt, 0).text;
            let Some(text) = reply.split("```").nth(1) else {
                continue;
            };
            text.trim().clone_into(&mut present);
            assert!(score(&present) <= before, "seed {seed}, step {step}");
        }
        assert_ne!(present, world.seed_prompt());
    }
}

fn model(family: Family, seed: u64) -> WorldModel {
    WorldModel::new(Arc::new(World::new(family, seed)))
}

/// An item that needs a rule.
fn needy(world: &World) -> &Item {
    let mut items = world.items(Split::Train).iter();
    items.find(|item| !world.needs(item).is_empty()).unwrap()
}

/// The hidden rules of a text, in any wording. A rule is recognised by its action in a line with
/// its cue.
fn rules_in(world: &World, text: &str) -> BTreeSet<usize> {
    let rules = world.hidden_rules();
    let numbered = rules.iter().enumerate();
    let held = numbered.filter(|(_, rule)| {
        let parts = rule
            .strip_prefix("When a request mentions ")
            .and_then(|rest| rest.split_once(", "));
        let (cue, action) = parts.unwrap();
        text.lines()
            .any(|line| line.contains(cue) && line.contains(action))
    });
    held.map(|(number, _)| number).collect()
}

/// A reflection prompt with these items answered wrongly and rightly.
fn reflection(instruction: &str, failures: &[&Item], successes: &[&Item]) -> Vec<Message> {
    let wrong = failures.iter().map(|item| (item, &item.feedback_wrong));
    let right = successes.iter().map(|item| (item, &item.feedback_right));
    let mut text = format!("Present:\n```\n{instruction}\n```\nExamples:\n");
    for (item, feedback) in wrong.chain(right) {
        text.extend([
            "## Inputs\n",
            &item.input,
            "\n## Feedback\n",
            feedback,
            "\n\n",
        ]);
    }
    vec![Message::new("user", text)]
}
