//! Rejected rewrites of each parent, so that a reflection does not make them again.

use std::collections::{BTreeMap, VecDeque};

use gepa_archive::{CandidateIndex, Origin};
use gepa_evaluation::EarlierAttempt;

use super::proposal::{Comparison, Proposal};

/// The last rejected rewrites, by parent. They follow from the committed gates alone.
#[derive(Debug, Default)]
pub(super) struct Rejected(BTreeMap<CandidateIndex, VecDeque<EarlierAttempt>>);

impl Rejected {
    /// Remembers what a child changed that was rejected at its gate: at most `most` rewrites of each
    /// component.
    pub(super) fn remember(&mut self, proposal: &Proposal, gate: Comparison, most: usize) {
        let (Some(parent), Some(child)) = (proposal.parents.first(), &proposal.child) else {
            return;
        };
        let Some(trial) = proposal.parent_trial.as_ref() else {
            return;
        };
        if proposal.origin != Origin::Reflection || most == 0 {
            return;
        }
        let rewritten = child.components().iter().filter(|(name, text)| {
            let before = trial.candidate.text(name);
            before != Some(*text)
        });
        let known = self.0.entry(*parent).or_default();
        for (name, text) in rewritten {
            known.push_back(EarlierAttempt {
                component: name.clone(),
                text: text.clone(),
                gain: Some(gate.child_sum - gate.parent_sum),
                accepted: false,
            });
            let same = |one: &EarlierAttempt| one.component == *name;
            if known.iter().filter(|one| same(one)).count() > most
                && let Some(oldest) = known.iter().position(same)
            {
                known.remove(oldest);
            }
        }
    }

    /// The rejected rewrites of a parent, the oldest first.
    pub(super) fn of(&self, parent: CandidateIndex) -> Vec<EarlierAttempt> {
        let known = self.0.get(&parent);
        known.into_iter().flatten().cloned().collect()
    }

    /// The candidate can no longer be a parent.
    pub(super) fn forget(&mut self, parent: CandidateIndex) {
        self.0.remove(&parent);
    }
}
