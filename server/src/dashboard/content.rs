//! A resource as bytes, or why there is none.

use gepa_engine::StoreError;
use serde::Serialize;

/// A resource as bytes.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its media type.
    pub media_type: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Why there is no such resource.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The store failed, or does not know the run.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run has no such candidate or event.
    #[error("{0}")]
    Missing(String),
    /// The resource could not be written as JSON.
    #[error("the answer could not be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Content {
    pub(super) fn json(value: &impl Serialize) -> Result<Self, ViewError> {
        Ok(Self {
            media_type: "application/json",
            bytes: serde_json::to_vec(value)?,
        })
    }
}
