//! Keys that cannot leak by accident.

use std::fmt;

use reqwest::header::HeaderValue;

/// The key of a provider or a task app. Compares and orders by content, prints as a placeholder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key with this text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself, for sending the key to its provider or task app.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The `Authorization` header, marked sensitive; `None` where no header can carry the key.
    pub fn bearer(&self) -> Option<HeaderValue> {
        sensitive(&format!("Bearer {}", self.0))
    }

    /// The key alone as a header, marked sensitive; `None` where no header can carry it.
    pub fn plain(&self) -> Option<HeaderValue> {
        sensitive(&self.0)
    }

    /// `text` without the key in it.
    pub fn scrubbed(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        text.replace(&self.0, "[key]")
    }

    /// `text` without the key and without its first `length` characters, which some servers quote.
    pub fn scrubbed_with_start(&self, text: &str, length: usize) -> String {
        let scrubbed = self.scrubbed(text);
        match self.0.char_indices().nth(length) {
            Some((end, _)) => scrubbed.replace(&self.0[..end], "[key]"),
            None => scrubbed,
        }
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[key]")
    }
}
