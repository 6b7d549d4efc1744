//! `gepa show`

use std::io::Write;
use std::process::ExitCode;

use gepa_engine::verdict::{Verdict, read_tables};

use crate::arguments::RunReference;
use crate::error::CommandError;
use crate::output::people;
use crate::report::write_run;
use crate::surroundings::{block_on, find};

pub(crate) fn show(reference: &RunReference) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(reference).await?;
        let is_claimed = store.is_claimed(&run.run_id).await?;
        let candidates = store.candidates(&run.run_id).await?;
        let snapshots = store.snapshots(&run.run_id).await?;
        let mut out = people();
        let verdict = Verdict::of(&read_tables(&*store, run.clone()).await?);
        write_run(
            &mut out,
            &run,
            is_claimed,
            &candidates,
            &snapshots,
            &verdict,
        )?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}
