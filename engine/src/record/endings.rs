//! How the proposals of a run ended: a fold of its events.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::event::{
    CloseReason, Decision, EventBody, Fact, NO_FURTHER_TEXT, ReflectionFailureKind,
    ReflectionSettled,
};

/// How many proposals ended in which way, and how the reflection model replied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endings {
    /// Proposals whose candidate entered the archive. The seed is no proposal.
    pub accepted: u64,
    /// Proposals without an accepted candidate, by the reason of their end.
    pub closed: IndexMap<CloseReason, u64>,
    /// Proposals for which a usable reply held fewer texts than were requested. They are not in `closed`.
    pub fewer_texts: u64,
    /// Replies of the reflection model that held a usable text.
    pub texts: u64,
    /// Reflections without a usable text, by what was wrong.
    pub refused: IndexMap<ReflectionFailureKind, u64>,
    /// Further texts of replies that were refused, by what was wrong. The reply itself counts in `texts` or in
    /// `refused`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub texts_refused: IndexMap<ReflectionFailureKind, u64>,
    /// New texts that copy words of the examples their proposer was shown.
    #[serde(skip_serializing_if = "is_zero")]
    pub texts_copying: u64,
    /// What was wrong with the last refused reply, as a text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Endings {
    /// Counts one entry of the journal.
    pub(crate) fn count(&mut self, body: &EventBody) {
        match body {
            EventBody::Fact(
                Fact::ReflectionSettled(settled) | Fact::ReflectionRecalled(settled),
            ) => {
                self.count_reply(settled);
            }
            EventBody::Decision(Decision::CandidateAccepted(accepted))
                if accepted.iteration > 0 =>
            {
                self.accepted += 1;
            }
            EventBody::Decision(Decision::ProposalClosed(closed))
                if closed.reason == CloseReason::Reflection && closed.detail == NO_FURTHER_TEXT =>
            {
                self.fewer_texts += 1;
            }
            EventBody::Decision(Decision::ProposalClosed(closed)) => {
                *self.closed.entry(closed.reason).or_default() += 1;
            }
            _ => {}
        }
    }

    /// The ways in which proposals ended, each with its number and in words that follow a number; the
    /// accepted ones first, then the most frequent.
    pub fn parts(&self) -> Vec<(u64, &'static str)> {
        let mut parts = vec![(self.accepted, "accepted")];
        let mut closed: Vec<_> = self.closed.iter().collect();
        closed.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
        parts.extend(
            closed
                .into_iter()
                .map(|(reason, number)| (*number, words(*reason))),
        );
        if self.fewer_texts > 0 {
            parts.push((self.fewer_texts, "for which the reply held no further text"));
        }
        parts
    }

    /// The number of proposals that ended for this reason.
    pub fn closed_by(&self, reason: CloseReason) -> u64 {
        self.closed.get(&reason).copied().unwrap_or_default()
    }

    /// The number of proposals that have ended.
    pub fn total(&self) -> u64 {
        self.accepted + self.fewer_texts + self.closed.values().sum::<u64>()
    }

    /// The number of replies that were refused.
    pub fn replies_refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// What was wrong with the last reply, if the reflection model was asked and no reply ever held a
    /// usable text.
    pub fn never_rewritten(&self) -> Option<&str> {
        let is_mute = self.texts == 0 && self.accepted == 0 && self.replies_refused() > 0;
        is_mute.then(|| self.last_refusal.as_deref().unwrap_or_default())
    }

    fn count_reply(&mut self, settled: &ReflectionSettled) {
        match &settled.failure {
            Some(failure) if settled.text.is_none() => {
                *self.refused.entry(failure.kind).or_default() += 1;
                self.last_refusal = Some(failure.message.clone());
            }
            _ => self.texts += u64::from(settled.text.is_some()),
        }
        self.texts_copying += u64::from(settled.copying);
        for refused in &settled.refused_texts {
            *self.texts_refused.entry(refused.kind).or_default() += 1;
        }
    }
}

/// What an ending means, after its number.
fn words(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Gate => "rejected at the gate (not better on the minibatch)",
        CloseReason::Outranked => "outranked by siblings",
        CloseReason::Perfect => "skipped (the parent's minibatch was perfect already)",
        CloseReason::NoScores => "without a score of the parent",
        CloseReason::NothingToCompare => "without a score of the child",
        CloseReason::Reflection => "without a usable reply of the reflection model",
        CloseReason::Duplicate => "duplicates of known candidates",
        CloseReason::Budget => "ended because the rest of the budget did not cover the pareto set",
        CloseReason::Stale => "overtaken by others while they waited",
        CloseReason::Dropped => "dropped by the policy of the pareto set",
        CloseReason::TooManyFailures => "with too many failed pareto rollouts",
        CloseReason::Stopped => "undecided when the run stopped",
    }
}
