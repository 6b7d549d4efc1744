//! What is refused about the examples of a task before anything is bought.

mod prompts;
mod support;
