//! How many tokens a prompt has, estimated without a tokenizer.

use gepa_evaluation::Section;

/// Estimated tokens of a prompt: four characters each, and four tokens of framing a message.
pub fn token_estimate(sections: &[Section]) -> u64 {
    sections
        .iter()
        .map(|section| section.content.chars().count().div_ceil(4) as u64 + 4)
        .sum()
}
