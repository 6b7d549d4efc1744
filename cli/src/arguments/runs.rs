//! The arguments of `gepa runs`.

use clap::{Args, Subcommand};

use super::store::StoreArguments;

pub(super) const RUNS_NOTES: &str = "\
Newest first; archived runs are left out. The column `short` is the end of the id that no other run has, and
names the run in every command. `killed` is a run that says it is running while no process works on it.

Labels stand beside the journal: nothing that a run does depends on them. The configuration keeps the name
that a run began with.";

pub(super) const DELETE_NOTES: &str = "\
Refused: a run that a process works on, a run that another one branches from unless that one is named as well, and
a job that has not ended. Without `--yes` the command asks first. The space is used by later runs; `--compact` gives it
back to the system, for which no process may work on a run of the store.";

pub(super) const PRUNE_NOTES: &str = "\
Runs are old by their last event. Left alone: runs that have a tag, unless `--tag` names one of theirs; runs that a
process works on; runs that a younger one branches from; jobs that have not ended.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArguments {
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) filter: RunFilter,
    /// Print the newest runs only
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
    /// Print archived runs as well
    #[arg(long)]
    pub(crate) all: bool,
    /// Print one JSON object per run
    #[arg(long)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) act: Option<RunsAct>,
}

/// Which runs are meant. All conditions that are given must hold.
#[derive(Debug, Default, Args)]
pub(crate) struct RunFilter {
    /// Runs with this word in id, name, tags, note or model
    #[arg(long, value_name = "WORD")]
    pub(crate) search: Option<String>,
    /// Runs of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Runs that stand so
    #[arg(long, value_name = "STATUS", value_parser = STATES)]
    pub(crate) status: Option<String>,
    /// Runs with this tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
}

const STATES: [&str; 8] = [
    "queued",
    "running",
    "paused",
    "interrupted",
    "killed",
    "succeeded",
    "failed",
    "cancelled",
];

#[derive(Debug, Subcommand)]
pub(crate) enum RunsAct {
    /// Add tags to a run, or take some away
    Tag {
        /// The run: an id, its beginning or end, or `latest`
        #[arg(value_name = "RUN")]
        run: String,
        /// Tags to add
        #[arg(value_name = "TAG", required_unless_present = "remove")]
        tags: Vec<String>,
        /// A tag to take away; may be repeated
        #[arg(long, value_name = "TAG")]
        remove: Vec<String>,
        #[command(flatten)]
        store: StoreArguments,
    },
    /// Write a note beside a run, or print the one that it has
    Note {
        /// The run: an id, its beginning or end, or `latest`
        #[arg(value_name = "RUN")]
        run: String,
        /// The text; empty to take the note away
        #[arg(value_name = "TEXT")]
        text: Option<String>,
        #[command(flatten)]
        store: StoreArguments,
    },
    /// Give a run another name
    Rename {
        /// The run: an id, its beginning or end, or `latest`
        #[arg(value_name = "RUN")]
        run: String,
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        store: StoreArguments,
    },
    /// Leave runs out of lists, without deleting anything
    Archive {
        /// The runs: ids, their beginnings or ends, or `latest`
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<String>,
        /// List them again
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        store: StoreArguments,
    },
    /// Delete runs with their journals, and say how many bytes that freed
    #[command(after_help = DELETE_NOTES)]
    Delete {
        /// The runs: ids, their beginnings or ends, or `latest`
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<String>,
        #[command(flatten)]
        deletion: Deletion,
        #[command(flatten)]
        store: StoreArguments,
    },
    /// Delete old runs
    #[command(after_help = PRUNE_NOTES)]
    Prune {
        /// The least age: a number with `m`, `h`, `d` or `w`, for example `30d`
        #[arg(long, value_name = "AGE", value_parser = seconds)]
        older: u64,
        #[command(flatten)]
        filter: RunFilter,
        /// Delete nothing, and say what would be deleted
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        deletion: Deletion,
        #[command(flatten)]
        store: StoreArguments,
    },
    /// Give the space that deleted runs left back to the system
    Compact {
        #[command(flatten)]
        store: StoreArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Deletion {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Give the space back to the system afterwards
    #[arg(long)]
    pub(crate) compact: bool,
}

/// A length of time in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "write a number with `m`, `h`, `d` or `w`, for example `30d`".to_owned();
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn ages_have_a_unit() {
        assert_eq!(seconds("30d"), Ok(2_592_000));
        assert_eq!(seconds("0m"), Ok(0));
        for wrong in [
            "",
            "30",
            "d",
            "-1d",
            "1.5h",
            "30 d",
            "99999999999999999999w",
            "3é",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
