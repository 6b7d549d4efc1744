//! Values of settings that former versions had.

use super::problem::Problem;
use super::settings::{RunSettings, Speculation, StaleChildren};

/// The values that this version no longer has, each with what to write instead.
pub(crate) fn removed_values(run: &RunSettings) -> Vec<Problem> {
    let regate = (run.stale_children == StaleChildren::Regate).then(|| {
        Problem::new(
            "run.stale_children",
            removed("regate", "`keep` or `drop`", "`keep`"),
        )
    });
    let likely = (run.speculate == Speculation::Likely).then(|| {
        Problem::new(
            "run.speculate",
            removed("likely", "`off` or `decided`", "`off`"),
        )
    });
    regate.into_iter().chain(likely).collect()
}

fn removed(value: &str, others: &str, compared: &str) -> String {
    format!(
        "no longer takes `{value}`, since no measurement showed a gain over {compared}; write {others}. A run that \
         began with it can be shown and exported, but only builds of commit a7b7752 and before resume or replay it \
         (`gepa --version` names the commit)"
    )
}
