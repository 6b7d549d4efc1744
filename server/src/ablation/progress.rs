//! How far an ablation is.

use gepa_ablation::{AblationStep, Finding};
use gepa_engine::record::CandidateRow;
use gepa_engine::{RunId, Seq, Timestamp};
use serde::Serialize;

use super::request::AblateRequest;

/// Decided prompts that are listed.
const MOST_DECIDED: usize = 500;

/// The state of an ablation that this server began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Running,
    /// The findings wait until no process works on the run.
    Waiting,
    /// The findings are in the journal.
    Done,
    Cancelled,
    Failed,
}

/// One ablation of this server.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Progress {
    pub(super) state: State,
    iteration: u64,
    candidate_id: String,
    index: Option<u32>,
    max_rollouts: u64,
    /// Rollouts executed, without those of the run that goes on.
    pub(super) executed: u64,
    /// What is run now.
    pub(super) now: Option<Now>,
    decided: Vec<Decided>,
    /// What can be said before it begins.
    pub(super) note: Option<String>,
    who: String,
    began_at: String,
    pub(super) error: Option<String>,
    /// The entry of the journal with the findings.
    pub(super) seq: Option<Seq>,
}

/// A prompt that is being run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Now {
    label: String,
    pub(super) run_id: RunId,
    examples: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Decided {
    label: String,
    finding: Finding,
    examples: usize,
}

impl Progress {
    pub(super) fn new(request: &AblateRequest, row: &CandidateRow) -> Self {
        Self {
            state: State::Running,
            iteration: row.iteration,
            candidate_id: row.candidate_id.to_string(),
            index: row.index.map(|index| index.0),
            max_rollouts: request.max_rollouts,
            executed: 0,
            now: None,
            decided: Vec::new(),
            note: None,
            who: request.who.clone(),
            began_at: Timestamp::now().to_string(),
            error: None,
            seq: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Running | State::Waiting)
    }

    pub(super) fn take_in(&mut self, step: &AblationStep<'_>) {
        match step {
            AblationStep::Begun {
                label,
                run,
                examples,
            } => {
                self.now = Some(Now {
                    label: (*label).to_owned(),
                    run_id: (*run).clone(),
                    examples: *examples,
                });
            }
            AblationStep::Scored { executed } => {
                self.executed = *executed;
                self.now = None;
            }
            AblationStep::Decided {
                label,
                finding,
                examples,
            } if self.decided.len() < MOST_DECIDED => self.decided.push(Decided {
                label: (*label).to_owned(),
                finding: *finding,
                examples: *examples,
            }),
            _ => {}
        }
    }
}
