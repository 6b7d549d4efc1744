//! One call of the proposer: its request, and the facts that its answer becomes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use gepa_evaluation::{
    ComponentRequest, ProposalRequest, ProposedTexts, Proposer, ProposerError, ProposerErrorKind,
    Usage,
};
use indexmap::IndexMap;

use super::facts::DispatchOutcome;
use crate::core::ReflectionWork;
use crate::event::{Fact, ReflectionFailure, ReflectionFailureKind, ReflectionSettled};
use crate::ids::Timestamp;
use crate::reflection::{Sifted, sift_texts};

/// Components of one proposal to be rewritten by one call; at least one.
pub(super) struct ReflectionCall {
    works: Vec<ReflectionWork>,
    started_at: Timestamp,
}

impl ReflectionCall {
    /// A call for this component.
    pub(super) fn new(work: ReflectionWork) -> Self {
        Self {
            works: vec![work],
            started_at: Timestamp::now(),
        }
    }

    /// Whether another component may be rewritten by the same call.
    pub(super) fn goes_with(&self, other: &ReflectionWork) -> bool {
        self.iteration() == other.iteration
    }

    /// Adds a component.
    pub(super) fn add(&mut self, work: ReflectionWork) {
        self.works.push(work);
    }

    /// The components again, in order.
    pub(super) fn into_works(self) -> Vec<ReflectionWork> {
        self.works
    }

    /// The iteration of the proposal.
    pub(super) fn iteration(&self) -> u64 {
        self.works[0].iteration
    }

    /// The request to the proposer.
    pub(super) fn request(&self, run_id: Arc<str>) -> ProposalRequest {
        let first = &self.works[0];
        let components = self.works.iter().map(|work| ComponentRequest {
            name: Arc::clone(&work.component),
            attempt: work.attempt,
            complaint: (!work.complaint.is_empty()).then(|| work.complaint.clone()),
            wildcards: work.rules.wildcards.clone(),
            max_chars: work.rules.max_chars,
            requirements: work.rules.requirements(),
            shorten: work.shorten.clone(),
        });
        ProposalRequest {
            run_id,
            iteration: first.iteration,
            candidate: Arc::clone(&first.candidate),
            components: components.collect(),
            records: first.records.clone(),
            earlier: self
                .works
                .iter()
                .flat_map(|work| work.earlier.clone())
                .collect(),
            hint: first.hint.clone(),
            texts: first.texts,
        }
    }

    /// The facts of the call, one for each component; none if the provider was down. The call's
    /// messages, cost and reply are journaled with the first component.
    pub(super) fn settled(self, answer: Result<ProposedTexts, ProposerError>) -> DispatchOutcome {
        let mut unread = IndexMap::new();
        let (mut usage, mut reply, mut sent, mut texts) = match answer {
            Ok(mut proposed) => {
                unread = std::mem::take(&mut proposed.unread);
                let texts = match self.stranger_in(&proposed) {
                    None => Ok(proposed.texts),
                    Some(failure) => Err(failure),
                };
                (proposed.usage, proposed.reply, proposed.sent, texts)
            }
            Err(error) if error.kind == ProposerErrorKind::ProviderDown => {
                return DispatchOutcome::ProviderDown {
                    reason: error.message,
                    goes_on_at: error.goes_on_at,
                    attempts: None,
                };
            }
            Err(error) => {
                let failure = ReflectionFailure {
                    kind: failure_kind(error.kind),
                    message: error.message,
                };
                let sent = error.sent.map(|sent| sent.messages).unwrap_or_default();
                (error.usage, error.reply, sent, Err(failure))
            }
        };
        let finished_at = Timestamp::now();
        let facts = self.works.iter().map(|work| {
            let read = match &mut texts {
                Ok(texts) => {
                    let own = texts.get_mut(&work.component);
                    let own = own.map(std::mem::take).unwrap_or_default();
                    let shown = work.shown_words();
                    sift_texts(own, &work.rules, work.texts, shown.as_ref())
                }
                Err(failure) => Sifted {
                    failure: Some(failure.clone()),
                    ..Sifted::default()
                },
            };
            let is_without = read.usable.is_empty() && read.failure.is_none();
            let failure = read
                .failure
                .or_else(|| is_without.then(|| no_text(&work.component)));
            let not_applied = unread.swap_remove(&work.component).unwrap_or_default();
            let not_applied = not_applied.into_iter().map(|message| ReflectionFailure {
                kind: ReflectionFailureKind::EditNotApplied,
                message,
            });
            let mut texts = read.usable.into_iter();
            Fact::ReflectionSettled(Box::new(ReflectionSettled {
                iteration: work.iteration,
                component: work.component.to_string(),
                attempt: work.attempt,
                started_at: self.started_at,
                finished_at,
                usage: std::mem::take(&mut usage),
                messages: std::mem::take(&mut sent),
                reply: reply.take(),
                text: texts.next(),
                alternatives: texts.collect(),
                failure,
                copying: read.copying,
                overlong: read.overlong,
                refused_texts: read.refused.into_iter().chain(not_applied).collect(),
            }))
        });
        DispatchOutcome::Facts(facts.collect())
    }

    /// The error if an answer names a component that was not requested.
    fn stranger_in(&self, proposed: &ProposedTexts) -> Option<ReflectionFailure> {
        let mut names = proposed.texts.keys();
        let name = names.find(|name| self.works.iter().all(|work| work.component != **name))?;
        Some(ReflectionFailure {
            kind: ReflectionFailureKind::Model,
            message: format!("the proposer rewrote `{name}`, which it was not asked to"),
        })
    }
}

/// Calls the proposer. If it panics, the call has failed.
pub(super) async fn propose(
    proposer: &dyn Proposer,
    request: ProposalRequest,
) -> Result<ProposedTexts, ProposerError> {
    let guarded = AssertUnwindSafe(proposer.propose(request)).catch_unwind();
    guarded.await.unwrap_or_else(|_| Err(panicked()))
}

/// The failure of a call whose proposer panicked.
pub(super) fn panicked() -> ProposerError {
    ProposerError::new(ProposerErrorKind::Failed, "the proposer panicked")
}

/// The tokens and cost of a call, whether or not it returned texts.
pub(super) fn usage_of(answer: &Result<ProposedTexts, ProposerError>) -> Usage {
    match answer {
        Ok(proposed) => proposed.usage,
        Err(error) => error.usage,
    }
}

fn no_text(component: &str) -> ReflectionFailure {
    ReflectionFailure {
        kind: ReflectionFailureKind::Empty,
        message: format!("the proposer gave no text for `{component}`"),
    }
}

fn failure_kind(kind: ProposerErrorKind) -> ReflectionFailureKind {
    match kind {
        ProposerErrorKind::NoText => ReflectionFailureKind::NoFence,
        ProposerErrorKind::Truncated => ReflectionFailureKind::Truncated,
        ProposerErrorKind::Refused => ReflectionFailureKind::Refused,
        ProposerErrorKind::NotApplicable => ReflectionFailureKind::EditNotApplied,
        ProposerErrorKind::KeyRejected => ReflectionFailureKind::KeyRejected,
        _ => ReflectionFailureKind::Model,
    }
}
