//! `gepa check --online`: whether providers and the task app are there and take the keys.

use std::io::Write;
use std::process::ExitCode;

use gepa_configs::{Looked, Seen, TaskConfig};
use gepa_models::{Models, Sight};

use crate::error::{CommandError, EXIT_FAILURES, EXIT_PROVIDER_DOWN};
use crate::format::one_line;
use crate::output::{err, people};
use crate::surroundings::block_on;

/// Longest text quoted from an error.
const QUOTED: usize = 1_000;

/// Looks, and says what was asked and what the answers show. Returns an exit code if something would
/// keep a run from working.
pub(super) fn look(task: &TaskConfig) -> Result<Option<ExitCode>, CommandError> {
    let models = Models::new(task.environment().clone());
    let looked = block_on(async { Ok(task.look(&models).await) })?;
    let mut out = people();
    for one in &looked {
        if let Ok(seen) = &one.result {
            writeln!(
                out,
                "online    {}: {}; {}",
                one.section,
                one.request,
                said(seen)
            )?;
        }
    }
    if looked.is_empty() {
        writeln!(
            out,
            "online    the config calls no provider, no task app and no queue"
        )?;
    } else {
        writeln!(
            out,
            "online    no model was called, so nothing was paid for"
        )?;
    }
    out.flush()?;
    Ok(exit_code(&looked))
}

fn exit_code(looked: &[Looked]) -> Option<ExitCode> {
    let mut code = None;
    for one in looked {
        let Err(unseen) = &one.result else { continue };
        let _ = writeln!(
            err(),
            "error: {}: {}; asked with {}",
            one.section,
            one_line(&unseen.message, QUOTED),
            one.request
        );
        // Wrong settings stay wrong; what is away may come back.
        let own = if unseen.is_away {
            EXIT_PROVIDER_DOWN
        } else {
            EXIT_FAILURES
        };
        code = Some(code.map_or(own, |code: u8| code.min(own)));
    }
    code.map(ExitCode::from)
}

fn said(seen: &Seen) -> String {
    match seen {
        Seen::App => "it is well and takes the key".to_owned(),
        Seen::Queue => "it answers and has what is needed".to_owned(),
        Seen::Provider { model, sight } => match *sight {
            Sight::Lists { has_key, has_model } => {
                let key = if has_key {
                    "it answers, and did not refuse the key"
                } else {
                    "it answers without a key"
                };
                match has_model {
                    Some(true) => format!("{key}; its list has `{model}`"),
                    Some(false) => format!(
                        "{key}; note: its list of models does not have `{model}`, check the name"
                    ),
                    None => format!("{key}; its list does not show whether it has `{model}`"),
                }
            }
            Sight::Answers { status } => format!(
                "it answers {status}, so it is there, but only a call can show whether it takes the key"
            ),
        },
    }
}
