//! What is refused about the examples of a task before anything is bought.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod prompts;
mod rows;
mod scorers;
mod support;
mod texts;
