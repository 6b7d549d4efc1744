//! `gepa report`

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use gepa_server::{ReportError, Views, write_report};

use crate::arguments::ReportArguments;
use crate::error::CommandError;
use crate::output::{err, stdout};
use crate::surroundings::{block_on, find};

pub(crate) fn report(arguments: &ReportArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        let views = Views::new(store);
        let mut page = Vec::new();
        let left_out = write_report(&views, &run.run_id, &mut page)
            .await
            .map_err(unwritten)?;
        if let Some(path) = &arguments.output {
            write_file(path, &page)?;
        } else {
            let mut out = stdout();
            out.write_all(&page)?;
            out.flush()?;
        }
        if left_out > 0 {
            let _ = writeln!(
                err(),
                "note: {left_out} candidates and rollouts had no room in the report; `gepa open {}` shows them",
                run.run_id
            );
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(super) fn write_file(path: &Path, page: &[u8]) -> Result<(), CommandError> {
    let failed =
        |error: io::Error| CommandError::Usage(format!("cannot write {}: {error}", path.display()));
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    file.write_all(page).map_err(failed)?;
    file.flush().map_err(failed)
}

pub(super) fn unwritten(error: ReportError) -> CommandError {
    match error {
        ReportError::Write(error) => error.into(),
        ReportError::View(error) => super::blame::unreadable(error),
        other => CommandError::Missing(other.to_string()),
    }
}
