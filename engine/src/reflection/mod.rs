//! Reflection: what the model sees, and which texts become a candidate's.

mod alternatives;
mod answer;
mod asked;
mod copies;
mod edits;
mod examples;
mod fences;
mod model;
#[cfg(test)]
mod peers;
mod plain;
mod reply;
mod rules;
mod scalars;
mod template;
mod tried;

#[cfg(test)]
pub(crate) use alternatives::request as request_texts;
pub(crate) use alternatives::{Sifted, sift_texts};
pub(crate) use copies::ShownWords;
pub use examples::render_examples;
pub use model::ModelProposer;
pub use plain::control_character_in;
pub(crate) use plain::with_plain_lines;
pub use reply::read_reply;
pub(crate) use rules::TextDemands;
pub use rules::TextRules;
pub use template::{Template, TemplateError};
#[cfg(test)]
pub(crate) use tried::tried;
