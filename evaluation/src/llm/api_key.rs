//! Keys that cannot leak by accident.

use std::fmt;

use reqwest::header::HeaderValue;

/// A key. Compares and orders by content, prints as a placeholder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key from its text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The `Authorization` header, marked sensitive; `None` where no header can carry the key.
    pub(super) fn bearer(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// `text` without the key in it.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        text.replace(&self.0, "[key]")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[key]")
    }
}
