//! Estimates the number of tokens of a prompt without a tokenizer.

use gepa_evaluation::{Section, estimated_tokens};

/// Estimated tokens of a prompt: one token for four characters, and four tokens for each message.
pub fn token_estimate(sections: &[Section]) -> u64 {
    sections
        .iter()
        .map(|section| estimated_tokens(&section.content) + 4)
        .sum()
}
