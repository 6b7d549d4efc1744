//! The exact scores of a world: which prompts are better, by how much, and that scores never
//! change.

use gepa_bench::worlds::{Family, LARGEST_SET, Split, World};

const SEEDS: std::ops::Range<u64> = 0..8;

#[test]
fn a_world_is_a_function_of_its_family_and_seed() {
    for family in Family::all() {
        let (one, same, other) = (
            World::new(family, 3),
            World::new(family, 3),
            World::new(family, 4),
        );
        let items = |world: &World| -> Vec<(String, &'static str)> {
            let items = world.items(Split::Train).iter();
            items
                .map(|item| (item.input.clone(), item.answer))
                .collect()
        };
        assert_eq!(items(&one), items(&same));
        assert_ne!(items(&one), items(&other));
        assert_eq!(one.hidden_rules(), same.hidden_rules());
        let reading = one.read(one.seed_prompt());
        for item in one.items(Split::Pareto) {
            let twin = same.item(&item.id).unwrap();
            assert_eq!(
                one.reply(&reading, item, 0),
                same.reply(&same.read(one.seed_prompt()), twin, 0)
            );
        }
    }
}

#[test]
fn in_the_additive_family_every_right_rule_helps_whatever_is_there_already() {
    for seed in SEEDS {
        let world = World::new(Family::Additive, seed);
        let mut prompt = world.seed_prompt().to_owned();
        let mut before = test_score(&world, &prompt);
        for rule in world.hidden_rules() {
            prompt = format!("{prompt}\n- {rule}");
            let after = test_score(&world, &prompt);
            assert!(after > before, "seed {seed}: {rule}");
            before = after;
        }
    }
}

#[test]
fn in_the_interference_family_a_rule_that_helps_alone_hurts_beside_all_others() {
    for seed in SEEDS {
        let world = World::new(Family::Interference, seed);
        let rules = world.hidden_rules();
        let tempting = (0..rules.len()).find(|number| {
            let mut others = rules.clone();
            let rule = others.remove(*number);
            let alone = format!("{}\n{rule}", world.seed_prompt());
            let helps_alone = test_score(&world, &alone) > test_score(&world, world.seed_prompt());
            let without = test_score(&world, &others.join("\n"));
            let with = test_score(&world, &rules.join("\n"));
            helps_alone && with < without - 0.1
        });
        assert!(tempting.is_some(), "seed {seed}");
    }
}

#[test]
fn where_nothing_can_be_learned_no_rule_is_better_than_none() {
    for seed in SEEDS {
        let world = World::new(Family::NothingLearnable, seed);
        let before = test_score(&world, world.seed_prompt());
        for rule in world.hidden_rules() {
            let prompt = format!("{}\n- {rule}", world.seed_prompt());
            assert!(test_score(&world, &prompt) <= before, "seed {seed}: {rule}");
        }
    }
}

#[test]
fn a_rule_counts_once_in_any_wording_and_against_when_negated() {
    let world = World::new(Family::Additive, 1);
    let rule = &world.hidden_rules()[0];
    let once = format!("{}\n{rule}", world.seed_prompt());
    let shouted = format!("{}\n  * {}", world.seed_prompt(), rule.to_uppercase());
    let twice = format!("{once}\n{rule}");
    let negated = format!("{}\nNever: {rule}", world.seed_prompt());
    assert_eq!(test_score(&world, &once), test_score(&world, &shouted));
    assert_eq!(test_score(&world, &once), test_score(&world, &twice));
    let before = test_score(&world, world.seed_prompt());
    assert!(test_score(&world, &once) > before);
    assert!(test_score(&world, &negated) < before);
}

#[test]
fn long_prompts_cost_something() {
    let world = World::new(Family::Additive, 1);
    let short = world.seed_prompt();
    let long = format!("{short}\n{}", "Be precise. ".repeat(200));
    assert!(test_score(&world, &long) < test_score(&world, short));
}

#[test]
fn the_trap_in_the_seed_prompt_costs_a_fixed_share_of_right_answers() {
    for seed in SEEDS {
        let world = World::new(Family::FormatTrap, seed);
        let lines: Vec<&str> = world.seed_prompt().lines().collect();
        let (trap, rest) = lines.split_last().unwrap();
        assert!(trap.contains("explanation"));
        let freed = test_score(&world, &rest.join("\n"));
        let trapped = test_score(&world, world.seed_prompt());
        assert!((trapped / freed - 0.55).abs() < 1e-9, "seed {seed}");
    }
}

#[test]
fn prompts_that_differ_in_a_word_answer_most_items_alike_but_not_all() {
    let world = World::new(Family::Additive, 1);
    let one = world.read(world.seed_prompt());
    let other = world.read(&format!("{} Be fair.", world.seed_prompt()));
    let items = world.items(Split::Pareto);
    let differing = items
        .iter()
        .filter(|item| world.reply(&one, item, 0) != world.reply(&other, item, 0))
        .count();
    let share = differing as f64 / items.len() as f64;
    assert!((0.01..0.19).contains(&share), "{share}");
}

fn test_score(world: &World, prompt: &str) -> f64 {
    world.expected(&world.read(prompt), Split::Test, LARGEST_SET)
}
