//! What a new text must satisfy, as a reflection prompt says it.

use std::fmt::Write as _;
use std::sync::Arc;

use gepa_evaluation::ComponentRequest;

use super::fences::fence_around;

/// The text added to a reflection prompt about the demands on the new text; empty where there are none. The
/// length is named only where it is demanded of this component, or where the prompt asks to shorten a text.
pub(super) fn demands(component: &ComponentRequest) -> String {
    let requirements = &component.requirements;
    let mut rules: Vec<String> = Vec::new();
    for part in &requirements.frozen {
        let fence = fence_around(part);
        rules.push(format!(
            "It holds this part, character by character:\n{fence}\n{part}\n{fence}"
        ));
    }
    if !requirements.required.is_empty() {
        let names = quoted(&requirements.required);
        rules.push(format!("It holds these names: {names}."));
    }
    if !requirements.is_empty() && !component.wildcards.is_empty() {
        let names = component.wildcards.iter();
        let names: Vec<Arc<str>> = names.map(|name| format!("{{{name}}}").into()).collect();
        let names = quoted(&names);
        rules.push(format!("It holds these placeholders: {names}."));
    }
    if !requirements.forbidden.is_empty() {
        let patterns = quoted(&requirements.forbidden);
        rules.push(format!(
            "It holds nothing that matches these patterns: {patterns}."
        ));
    }
    if requirements.copies_no_example {
        rules.push(
            "It states rules in words of its own. It copies no example: not eight words in a row, and no whole input."
                .to_owned(),
        );
    }
    if let Some(tokens) = requirements.max_tokens {
        rules.push(format!(
            "It has at most about {tokens} tokens, which are {} characters.",
            characters(component)
        ));
    }
    if rules.is_empty() {
        return String::new();
    }
    let mut text =
        "\n\nThe new text must satisfy each of these rules. A text that breaks one is thrown away."
            .to_owned();
    for rule in rules {
        let _ = write!(text, "\n- {rule}");
    }
    text
}

/// A prompt that asks for a shorter form of a text that is too long.
pub(super) fn shorten(long: &str, component: &ComponentRequest) -> String {
    let fence = fence_around(long);
    format!(
        "The instructions below, by which another assistant works, are too long: they have {} characters, and at \
         most {} are allowed.\n\n{fence}\n{long}\n{fence}\n\nWrite them again within that length. Keep every rule, \
         fact and convention that decides how the assistant answers. Leave out repetitions, explanations and single \
         examples first.{}\n\nPut the complete shorter instructions, and nothing else, inside one {fence} block.",
        long.chars().count(),
        characters(component),
        demands(component)
    )
}

/// Most characters of the new text under all limits.
fn characters(component: &ComponentRequest) -> usize {
    let by_tokens = component.requirements.max_tokens;
    let by_tokens = by_tokens.map(|tokens| tokens as usize * 4);
    by_tokens.map_or(component.max_chars, |chars| chars.min(component.max_chars))
}

fn quoted(names: &[Arc<str>]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
