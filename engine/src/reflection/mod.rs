//! Reflection: what the model is shown, and which of its replies become a new text.

mod alternatives;
mod examples;
#[cfg(test)]
mod peers;
mod reply;
mod scalars;
mod template;

pub use alternatives::read_texts;
pub(crate) use alternatives::request as request_texts;
pub(crate) use examples::example_record;
pub use examples::{ExampleRecord, render_examples};
pub use reply::{TextRules, read_completion, read_reply};
pub use template::{Template, TemplateError};
