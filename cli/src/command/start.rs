//! What a run takes from the run that `search.start_from` names.

use gepa_configs::TaskConfig;
use gepa_engine::{RunId, Store, WarmStart, warm_start};

use crate::error::CommandError;
use crate::surroundings::open_existing;
use gepa_ablation::is_of_same_task;

/// One line that says what is taken, and what is left out.
pub(crate) fn start_line(start: &WarmStart) -> String {
    let names: Vec<String> = start
        .taken
        .iter()
        .map(|(index, _)| index.to_string())
        .collect();
    let taken = format!(
        "starts    from candidate{} {} of {} as well",
        if names.len() == 1 { "" } else { "s" },
        names.join(", "),
        start.run
    );
    let left_out = start.left_out.iter();
    let left_out = left_out.map(|(index, rule)| {
        let run = &start.run;
        format!("\nnote: candidate {index} of {run} is left out: {rule}")
    });
    std::iter::once(taken).chain(left_out).collect()
}

/// The run that is started from, if its outcomes are those of this task.
pub(crate) async fn paid_by(
    store: &dyn Store,
    start: &WarmStart,
    task: &TaskConfig,
) -> Result<Option<RunId>, CommandError> {
    let earlier = store.run(&start.run).await?;
    let is_alike = is_of_same_task(&earlier, &task.described, task.config.prompt());
    Ok(is_alike.then_some(earlier.run_id))
}

/// What a run of this config in the store at a URL would take, for commands that only look.
///
/// # Errors
///
/// Why nothing can be taken.
pub(crate) async fn look_at_start(
    store_url: &str,
    task: &TaskConfig,
) -> Result<Option<WarmStart>, CommandError> {
    if task.config.settings().search.start_from.is_none() {
        return Ok(None);
    }
    let store = open_existing(store_url).await.map_err(|error| {
        CommandError::Usage(format!(
            "`search.start_from` names a run, and its store cannot be read: {error}"
        ))
    })?;
    Ok(warm_start(&*store, &task.config).await?)
}
