//! How the proposals of a run ended: a fold of its events.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::event::{
    CloseReason, Decision, EventBody, Fact, ReflectionFailureKind, ReflectionSettled,
};

/// How many proposals ended in which way, and how the reflection model replied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endings {
    /// Proposals whose candidate entered the archive. The seed is no proposal.
    pub accepted: u64,
    /// Proposals without an accepted candidate, by the reason of their end.
    pub closed: IndexMap<CloseReason, u64>,
    /// Replies of the reflection model that held a usable text.
    pub texts: u64,
    /// Reflections without a usable text, by what was wrong.
    pub refused: IndexMap<ReflectionFailureKind, u64>,
    /// What was wrong with the last of them, as a text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<String>,
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
            EventBody::Decision(Decision::ProposalClosed(closed)) => {
                *self.closed.entry(closed.reason).or_default() += 1;
            }
            _ => {}
        }
    }

    /// The number of proposals that ended for this reason.
    pub fn closed_by(&self, reason: CloseReason) -> u64 {
        self.closed.get(&reason).copied().unwrap_or_default()
    }

    /// The number of proposals that have ended.
    pub fn total(&self) -> u64 {
        self.accepted + self.closed.values().sum::<u64>()
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

    /// Why no proposal was accepted; `None` if one was, or if none has ended.
    pub fn why_nothing_was_gained(&self) -> Option<String> {
        if self.accepted > 0 || self.total() == 0 {
            return None;
        }
        if let Some(problem) = self.never_rewritten() {
            return Some(format!(
                "the reflection model never gave a usable text, the last time: {problem}"
            ));
        }
        let mut most = self
            .closed
            .iter()
            .filter(|(reason, _)| **reason != CloseReason::Stopped);
        let first = most.next()?;
        let (reason, _) = most.fold(
            first,
            |best, next| if next.1 > best.1 { next } else { best },
        );
        Some(self.advice(*reason))
    }

    fn advice(&self, reason: CloseReason) -> String {
        match reason {
            CloseReason::Perfect => {
                "the parent's minibatches were perfect already; give it harder examples, or raise \
                 `search.perfect_score` if your scores go higher"
                    .to_owned()
            }
            CloseReason::Reflection => {
                let last = self.last_refusal.as_deref().unwrap_or("no reason given");
                format!("most replies of the reflection model could not be used, the last time: {last}")
            }
            CloseReason::Gate => {
                "no new text scored higher than its parent on its minibatch; a stronger reflection model, \
                 more feedback or a larger `search.minibatch_size` can help"
                    .to_owned()
            }
            CloseReason::Duplicate => "the reflection model repeated texts that are known".to_owned(),
            CloseReason::NoScores | CloseReason::NothingToCompare | CloseReason::TooManyFailures => {
                "too many rollouts failed to compare candidates".to_owned()
            }
            CloseReason::Budget => "the rest of the budget did not cover the pareto set".to_owned(),
            _ => "no candidate reached the end of its pareto set".to_owned(),
        }
    }

    fn count_reply(&mut self, settled: &ReflectionSettled) {
        match &settled.failure {
            Some(failure) if settled.text.is_none() => {
                *self.refused.entry(failure.kind).or_default() += 1;
                self.last_refusal = Some(failure.message.clone());
            }
            _ => self.texts += u64::from(settled.text.is_some()),
        }
    }
}
