//! The policy's answers to chats, and to repeated chats.

use std::sync::Arc;

use gepa_bench::worlds::{Family, Role, Split, World, WorldModel};
use gepa_evaluation::Message;

use crate::client::rollout;

#[test]
fn repeated_calls_get_the_same_answer_except_in_the_noisy_families() {
    let mut noisy = Vec::new();
    for family in Family::all() {
        let model = WorldModel::new(Arc::new(World::new(family, 1)));
        let items = model.world().items(Split::Pareto);
        let differing = items.iter().filter(|item| {
            let chat = rollout(model.world().seed_prompt(), &item.input);
            let answer = |sample| model.answer(Role::Policy, &chat, sample).text;
            answer(0) != answer(1)
        });
        let differing = differing.count();
        assert_eq!(differing == 0, model.world().is_deterministic(), "{family}");
        noisy.extend((!model.world().is_deterministic()).then(|| family.to_string()));
    }
    for (family, is_noisy) in [
        (Family::Noisy, true),
        (Family::HeldOut, true),
        (Family::Niche, false),
        (Family::Sampled, true),
    ] {
        assert_eq!(noisy.contains(&family.to_string()), is_noisy, "{family}");
    }
}

#[test]
fn a_prompt_in_the_user_message_counts_as_well() {
    let model = WorldModel::new(Arc::new(World::new(Family::Additive, 1)));
    let prompt = model.world().hidden_rules().join("\n");
    for item in &model.world().items(Split::Pareto)[..50] {
        let apart = rollout(&prompt, &item.input);
        let together = [Message::new("user", format!("{prompt}\n{}", item.input))];
        assert_eq!(
            model.answer(Role::Policy, &apart, 0).text,
            model.answer(Role::Policy, &together, 0).text
        );
    }
}
