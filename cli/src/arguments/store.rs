//! The store and the run that commands name, and the arguments of `gepa store` and `gepa doctor`.

use clap::{Args, Subcommand};

pub(super) const COPY_NOTES: &str = "\
The source is not changed. A run that a process is working on is refused, and so is one whose id the
target has with another journal. A copy that was interrupted goes on where it stood when the command
is repeated. Keep `gepa serve` off the target meanwhile: it takes up jobs that have not ended.";

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The store of the runs; by default `GEPA_STORE`, otherwise `sqlite://.gepa/gepa.db`.
    /// Also `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) store: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunReference {
    /// The run: an id, its beginning or end, or `latest`
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Copy runs with their whole journals to another store, and compare what arrived
    #[command(after_help = COPY_NOTES)]
    Copy(CopyArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// The store to read, such as `sqlite://.gepa/gepa.db`
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The store to write, such as `postgres://USER@HOST/DATABASE`; created if there is none
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    /// The runs to copy: ids, their beginnings or ends; all runs by default
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Only this run: an id, its beginning or end, or `latest`
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Rewrite tables that differ from the journal
    #[arg(long)]
    pub(crate) repair: bool,
}
