//! Data and programs that some tests need and that a fresh clone does not have.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Says that a test has not tested, and why. The line goes past the test harness, which captures
/// what passing tests print; CI fails for it unless `.ci/allowed_skips.txt` excuses it.
///
/// # Panics
///
/// If standard error is closed.
pub fn report_skip(reason: &str) {
    writeln!(io::stderr(), "SKIPPED: {reason}").expect("standard error is open");
}

/// The path `part` inside an optional folder: the one that the environment variable `variable`
/// names, or else `../shared/FOLDER` beside the repository. `None`, after [`report_skip`], if it
/// does not exist.
pub fn optional_data(variable: &str, folder: &str, part: &str) -> Option<PathBuf> {
    let beside = || {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared")
            .join(folder)
    };
    let path = std::env::var_os(variable)
        .map_or_else(beside, PathBuf::from)
        .join(part);
    if path.exists() {
        return Some(path);
    }
    report_skip(&format!(
        "{} is not there; set {variable} to the folder that holds it",
        path.display()
    ));
    None
}
