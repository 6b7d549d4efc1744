//! Several hypotheses from one reflection. Each becomes a proposal of its own. All are tried on the
//! same minibatch against the same outcomes of the parent, and only the best one goes on.
//!
//! The first of them, the *asker*, holds the parent's trial and the reflection. Its *companions*
//! have the iterations after it and wait for the further texts of the reply.

use std::sync::Arc;

use gepa_archive::Origin;

use super::ledger::Reservation;
use super::proposal::{Comparison, PARENT_TRIAL, Proposal, RewriteState, Verdict};
use super::state::Core;
use crate::event::{CloseReason, NO_FURTHER_TEXT};

impl Core {
    /// Creates the companions of a proposal that was just issued.
    pub(super) fn issue_companions(&mut self, asker: u64, components: &[Arc<str>]) {
        for iteration in asker + 1..asker + self.config.hypotheses() {
            let Some(first) = self.open.get(&asker) else {
                return;
            };
            let mut companion = self.proposal(iteration, Origin::Reflection);
            companion.asker = Some(asker);
            companion.siblings = first.siblings.clone();
            companion.parents.clone_from(&first.parents);
            companion.parent_survived = first.parent_survived;
            companion.batch.clone_from(&first.batch);
            companion.reserved = Reservation {
                rollouts: companion.batch.len() as u64,
                reflections: 0,
            };
            self.ledger.reserve(companion.reserved);
            let names = components.iter().map(ToString::to_string).collect();
            self.announce(&companion, names);
            self.open.insert(iteration, companion);
        }
    }

    /// Closes the companions of a proposal if its reflection did not happen or gave no usable text.
    pub(super) fn end_companions(&mut self, asker: &Proposal) {
        let Some(Verdict::Close(reason, detail, _)) = &asker.verdict else {
            return;
        };
        for (_, companion) in self.companions(asker) {
            companion.verdict = Some(Verdict::Close(*reason, detail.clone(), None));
        }
    }

    /// Makes the companions' children from the further texts of the replies. A component with fewer
    /// texts than another uses its first text in the remaining children.
    pub(super) fn build_companions(&mut self, asker: &Proposal) {
        let waiting: Vec<u64> = self.companions(asker).map(|(at, _)| *at).collect();
        let mut contents: Vec<_> = asker.child.iter().map(|child| child.content_id()).collect();
        for (number, iteration) in waiting.into_iter().enumerate() {
            let Some(mut companion) = self.open.remove(&iteration) else {
                continue;
            };
            let key = companion.key(PARENT_TRIAL);
            let parent_trial = asker.parent_trial.as_ref();
            companion.parent_trial = parent_trial.map(|trial| trial.as_known(key));
            let has_text = asker
                .rewrites
                .iter()
                .any(|rewrite| rewrite.alternatives.len() > number);
            if has_text {
                let texts = asker.rewrites.iter().filter_map(|rewrite| {
                    let RewriteState::Done(first) = &rewrite.state else {
                        return None;
                    };
                    let text = rewrite.alternatives.get(number).unwrap_or(first);
                    Some((Arc::clone(&rewrite.component), Arc::clone(text)))
                });
                let texts: Vec<_> = texts.collect();
                self.try_texts(&mut companion, &texts, String::new(), &contents);
                contents.extend(companion.child.iter().map(|child| child.content_id()));
            } else {
                let detail = NO_FURTHER_TEXT.to_owned();
                companion.verdict = Some(Verdict::Close(CloseReason::Reflection, detail, None));
            }
            self.open.insert(iteration, companion);
        }
    }

    /// Removes from `passed` all but the best child of each reflection and returns the removed
    /// ones. Among equals the first child stays.
    pub(super) fn take_lesser<T>(
        passed: &mut Vec<T>,
        of: impl Fn(&T) -> (u64, Option<Comparison>),
    ) -> Vec<T> {
        let mut best: Vec<T> = Vec::with_capacity(passed.len());
        let mut lesser = Vec::new();
        for one in passed.drain(..) {
            let (asker, gate) = of(&one);
            match best.last_mut().filter(|last| of(last).0 == asker) {
                Some(last) if gain(gate) > gain(of(last).1) => {
                    lesser.push(std::mem::replace(last, one));
                }
                Some(_) => lesser.push(one),
                None => best.push(one),
            }
        }
        *passed = best;
        lesser
    }

    fn companions<'a>(
        &'a mut self,
        asker: &Proposal,
    ) -> impl Iterator<Item = (&'a u64, &'a mut Proposal)> {
        let first = asker.iteration;
        let open = self
            .open
            .range_mut(first + 1..first + self.config.hypotheses());
        open.filter(move |(_, proposal)| proposal.asker == Some(first))
    }
}

/// The child's sum minus the parent's sum at the gate; infinite if no gate compared them.
pub(super) fn gain(gate: Option<Comparison>) -> f64 {
    gate.map_or(f64::INFINITY, |sums| sums.child_sum - sums.parent_sum)
}
