//! What people did to a run, as its summary lists it.

use serde::{Deserialize, Serialize};

use crate::event::{Fact, SteeredBy};
use crate::ids::{Seq, Timestamp};
use crate::stop::StopReason;

/// One act of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActRow {
    /// Its entry in the journal.
    pub seq: Seq,
    /// When it was journaled.
    pub at: Timestamp,
    /// The kind of that entry.
    pub act: String,
    /// What it names, as a text for people: a candidate, an example, a hint, the limits that changed.
    pub what: String,
    /// Who acted, and why.
    #[serde(flatten)]
    pub by: SteeredBy,
}

/// Acts that no program does by itself, and candidates taken from an earlier run.
pub(super) fn is_always_shown(fact: &Fact) -> bool {
    match fact {
        Fact::CandidateVetoed(_)
        | Fact::HintGiven(_)
        | Fact::ExampleExcluded(_)
        | Fact::AblationNoted(_) => true,
        Fact::CandidateInjected(injected) => injected.taken_from.is_some(),
        _ => false,
    }
}

/// What an act names; `None` for an act of the program itself.
pub(super) fn what_was_named(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::CandidateInjected(injected) => {
            let how = if injected.gated {
                "through the gate"
            } else {
                "straight to the pareto set"
            };
            match &injected.taken_from {
                Some(from) => format!("candidate {} of {}, {how}", from.candidate, from.run),
                None => format!("a text, {how}"),
            }
        }
        Fact::CandidateVetoed(vetoed) => format!("candidate {}", vetoed.candidate),
        Fact::AblationNoted(noted) => match noted.index {
            Some(index) => format!("candidate {index}"),
            None => format!("candidate {}", noted.candidate.short()),
        },
        Fact::HintGiven(given) => given.text.clone(),
        Fact::ExampleExcluded(excluded) => format!("example {}", excluded.example),
        Fact::RunPaused(_) | Fact::RunContinued(_) => String::new(),
        Fact::StopRequested(request) if request.reason == StopReason::Requested => String::new(),
        Fact::LimitsChanged(changed) => changed.changes().join(", "),
        _ => return None,
    })
}
