//! A proposer whose calls are made by workers.

use std::sync::Arc;

use async_trait::async_trait;
use gepa_evaluation::{
    ProposalRequest, ProposedTexts, Proposer, ProposerError, ProposerErrorKind, UsageBound,
};

use crate::waiting::Unanswered;
use crate::wire::Work;
use crate::{Desk, names};

/// Hands each reflection to a worker and waits for its texts.
pub struct QueueProposer {
    desk: Arc<Desk>,
    /// Answers all questions but the one for texts.
    local: Arc<dyn Proposer>,
}

impl std::fmt::Debug for QueueProposer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = formatter.debug_struct("QueueProposer");
        out.field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl QueueProposer {
    /// A proposer over the queue of `desk`. `local` says what a call can cost; it makes none.
    pub fn new(desk: Arc<Desk>, local: Arc<dyn Proposer>) -> Self {
        Self { desk, local }
    }
}

#[async_trait]
impl Proposer for QueueProposer {
    async fn propose(&self, request: ProposalRequest) -> Result<ProposedTexts, ProposerError> {
        let key = names::proposal_key(&request);
        let run = Arc::clone(&request.run_id);
        let mut proposed = None;
        let work = |_: &[usize]| Work::Proposal(request.clone());
        let asked = self.desk.ask(&run, vec![key], work, |_, body| {
            proposed = Some(body.into_proposed());
        });
        match asked.await {
            Ok(()) => proposed.unwrap_or_else(|| {
                let message = "the worker gave no answer";
                Err(ProposerError::new(ProposerErrorKind::Failed, message))
            }),
            Err(Unanswered::NoWorker(reason)) => {
                Err(ProposerError::new(ProposerErrorKind::ProviderDown, reason))
            }
            Err(Unanswered::Impossible(reason)) => {
                Err(ProposerError::new(ProposerErrorKind::Failed, reason))
            }
        }
    }

    fn takes_all_components(&self) -> bool {
        self.local.takes_all_components()
    }

    fn usage_bound(&self, request: &ProposalRequest) -> Option<UsageBound> {
        self.local.usage_bound(request)
    }

    fn usage_estimate(&self, request: &ProposalRequest) -> Option<UsageBound> {
        self.local.usage_estimate(request)
    }

    fn is_priced(&self) -> bool {
        self.local.is_priced()
    }

    fn obstacle(&self) -> Option<String> {
        self.desk.obstacle()
    }

    fn stop_waiting(&self) {
        self.desk.leave();
    }
}
