//! What `gepa --version` says.

/// The version with its commit and the features of the build; `build.rs` notes them.
pub(crate) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("GEPA_COMMIT"),
    "\nfeatures: ",
    env!("GEPA_FEATURES")
);
