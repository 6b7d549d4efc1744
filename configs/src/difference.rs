//! The keys in which two configs differ, and how a message names them.

/// Characters of a value that a message shows.
const LONGEST_VALUE: usize = 80;

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key, with dots.
    pub key: String,
    /// The value that the run stored, as JSON; `not set` where there was none.
    pub before: String,
    /// The value now.
    pub after: String,
}

/// The keys in which a config differs from that of a run, limits left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Earlier decisions rest on these.
    pub deciding: Vec<Difference>,
    /// These decide nothing.
    pub free: Vec<Difference>,
}

/// Differences as a text for people.
pub fn listed(differences: &[Difference]) -> String {
    let all = differences.iter().map(|one| {
        let (key, before, after) = (&one.key, short(&one.before), short(&one.after));
        format!("`{key}` was `{before}` and is `{after}`")
    });
    all.collect::<Vec<_>>().join("; ")
}

/// A value of a line at most.
fn short(value: &str) -> String {
    let line = value.replace('\n', " ");
    if line.chars().count() <= LONGEST_VALUE {
        return line;
    }
    let start: String = line.chars().take(LONGEST_VALUE).collect();
    format!("{start}...")
}
