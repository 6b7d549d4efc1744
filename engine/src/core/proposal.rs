//! A proposal in flight, from the choice of its parents to the decision about its child.

use std::ops::Range;
use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex, ContentId, Origin};
use gepa_evaluation::{EarlierAttempt, ExampleId};

use super::ledger::Reservation;
use super::row::Row;
use super::trial::Trial;
use crate::event::CloseReason;
use crate::ids::TrialKey;

/// Places of a proposal's trials within its iteration.
pub(crate) const PARENT_TRIAL: u32 = 0;
pub(crate) const CHILD_TRIAL: u32 = 1;

/// One iteration's proposal.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) iteration: u64,
    /// Trials of a final scoring in the same iteration; the proposal's own trials come after them.
    pub(crate) trials_before: u32,
    pub(crate) generation: u64,
    /// The iterations of its generation.
    pub(crate) siblings: Range<u64>,
    /// The member whose row it makes longer. It then has no parents, no child and no gate.
    pub(crate) refines: Option<CandidateIndex>,
    /// The rank of its child among the kept children of its generation.
    pub(crate) rank: usize,
    pub(crate) origin: Origin,
    /// The iteration whose reflection gave the text, if it is another iteration.
    pub(crate) asker: Option<u64>,
    pub(crate) parents: Vec<CandidateIndex>,
    /// The examples of the gate.
    pub(crate) batch: Vec<ExampleId>,
    /// The scores of each parent of a merge on these examples, by position.
    pub(crate) merge_scores: Vec<[f64; 2]>,
    pub(crate) rewrites: Vec<Rewrite>,
    /// Rejected rewrites of its parent when it was issued.
    pub(crate) earlier: Vec<EarlierAttempt>,
    /// The hint in force when it was issued.
    pub(crate) hint: Option<Arc<str>>,
    /// The candidate from outside that becomes its child, if it has one.
    pub(crate) injected: Option<Arc<Candidate>>,
    /// The turn it took from its parent, where components are rewritten in turn.
    pub(crate) turn: Option<usize>,
    /// The size of the archive when it was issued. It may know no later members.
    pub(crate) known_pool: usize,
    /// Whether its parent stood on the front when the proposal was issued.
    pub(crate) parent_survived: bool,
    /// The age of the memory up to which outcomes count as known to its pareto set. It does not
    /// depend on when the set begins.
    pub(crate) as_of: u64,
    /// The age of the memory when the proposal was issued. Outcomes of earlier gates count as known up to
    /// this age, so that timing does not change what its gate knows.
    pub(crate) issued_at: u64,
    pub(crate) child: Option<Arc<Candidate>>,
    /// The content of the candidate that its texts make, whether or not it is tried.
    pub(crate) content: Option<ContentId>,
    pub(crate) parent_trial: Option<Trial>,
    pub(crate) child_trial: Option<Trial>,
    /// The pareto scores of its child.
    pub(crate) row: Option<Row>,
    /// The answer of the gate; `None` until it is known.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) gate_committed: bool,
    /// Why the proposal ends. It ends once its pareto set, which began too early, has been
    /// accounted for.
    pub(crate) unwanted: Option<Unwanted>,
    pub(crate) reserved: Reservation,
    /// The number of reflection calls that have an answer.
    pub(crate) reflections: u64,
}

/// One component to rewrite.
#[derive(Debug)]
pub(crate) struct Rewrite {
    pub(crate) component: Arc<str>,
    /// The number of attempts begun; 0 until the parent's traces have arrived.
    pub(crate) attempts: u32,
    /// Why the last attempt failed.
    pub(crate) complaint: String,
    /// A text that was too long, which the present attempt is to shorten.
    pub(crate) shorten: Option<Arc<str>>,
    /// Whether an attempt was made to shorten a text.
    pub(crate) has_shortened: bool,
    /// Further texts of the reply.
    pub(crate) alternatives: Vec<Arc<str>>,
    pub(crate) state: RewriteState,
}

impl Rewrite {
    /// The number of attempts that may be made in all after one without a usable text, which was `overlong`
    /// if its length alone was wrong. A text is shortened once; what is too long after that is refused.
    /// Where a component has a length of its own, shortening is an attempt more.
    pub(crate) fn attempts_after(
        &mut self,
        overlong: Option<&str>,
        max_attempts: u32,
        has_length: bool,
    ) -> u32 {
        self.shorten = None;
        match overlong {
            Some(_) if self.has_shortened => 0,
            Some(text) => {
                self.shorten = Some(text.into());
                self.has_shortened = true;
                max_attempts + u32::from(has_length)
            }
            None => max_attempts,
        }
    }
}

/// The end of a proposal whose pareto set was begun too early.
#[derive(Debug)]
pub(crate) struct Unwanted {
    pub(crate) reason: CloseReason,
    pub(crate) detail: String,
    /// Whether the rollouts of that set that have not begun are being removed from the queue.
    pub(crate) is_dropping: bool,
}

/// The state of a rewrite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RewriteState {
    /// No usable reply yet.
    Waiting,
    /// The new text.
    Done(Arc<str>),
    /// No attempt gave a usable text, and no further one is made.
    Failed,
}

/// The answer of the gate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The child goes on to the pareto set. Holds the comparison, if one was made.
    Pass(Option<Comparison>),
    /// The proposal ends here. Holds the comparison, if one was made.
    Close(CloseReason, String, Option<Comparison>),
}

/// Two sums over the same examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) compared: u32,
    pub(crate) parent_sum: f64,
    pub(crate) child_sum: f64,
}

impl Proposal {
    /// Creates a proposal that is a generation of its own.
    pub(crate) fn new(generation: u64, iteration: u64, origin: Origin) -> Self {
        Self {
            iteration,
            trials_before: 0,
            generation,
            siblings: iteration..iteration + 1,
            refines: None,
            rank: 0,
            origin,
            asker: None,
            known_pool: 0,
            parent_survived: false,
            as_of: u64::MAX,
            issued_at: 0,
            parents: Vec::new(),
            batch: Vec::new(),
            merge_scores: Vec::new(),
            rewrites: Vec::new(),
            earlier: Vec::new(),
            hint: None,
            injected: None,
            turn: None,
            child: None,
            content: None,
            parent_trial: None,
            child_trial: None,
            row: None,
            verdict: None,
            gate_committed: false,
            unwanted: None,
            reserved: Reservation::default(),
            reflections: 0,
        }
    }

    /// The key of its trial at this place.
    pub(crate) fn key(&self, place: u32) -> TrialKey {
        TrialKey {
            iteration: self.iteration,
            index: self.trials_before + place,
        }
    }

    /// The place of the trial with this index; `None` for a trial of a final scoring.
    pub(crate) fn place(&self, index: u32) -> Option<u32> {
        index.checked_sub(self.trials_before)
    }

    /// Its trial with this index.
    pub(crate) fn trial_mut(&mut self, index: u32) -> Option<&mut Trial> {
        match self.place(index)? {
            PARENT_TRIAL => self.parent_trial.as_mut(),
            CHILD_TRIAL => self.child_trial.as_mut(),
            _ => self.row.as_mut()?.trial_mut(TrialKey {
                iteration: self.iteration,
                index,
            }),
        }
    }

    pub(crate) fn trials_mut(&mut self) -> impl Iterator<Item = &mut Trial> {
        [&mut self.parent_trial, &mut self.child_trial]
            .into_iter()
            .filter_map(Option::as_mut)
            .chain(self.row.iter_mut().flat_map(Row::trials_mut))
    }

    pub(crate) fn trials(&self) -> impl Iterator<Item = &Trial> {
        [&self.parent_trial, &self.child_trial]
            .into_iter()
            .filter_map(Option::as_ref)
            .chain(self.row.iter().flat_map(Row::trials))
    }

    /// The trials on which its gate depends.
    pub(crate) fn gate_trials(&self) -> impl Iterator<Item = &Trial> {
        [&self.parent_trial, &self.child_trial]
            .into_iter()
            .filter_map(Option::as_ref)
    }

    pub(crate) fn gate_trials_mut(&mut self) -> impl Iterator<Item = &mut Trial> {
        [&mut self.parent_trial, &mut self.child_trial]
            .into_iter()
            .filter_map(Option::as_mut)
    }

    /// Whether rollouts of its pareto set that have not begun are being removed from the queue.
    pub(crate) fn is_dropping(&self) -> bool {
        self.unwanted
            .as_ref()
            .is_some_and(|unwanted| unwanted.is_dropping)
    }

    /// Whether its child is on its way into the archive.
    pub(crate) fn is_on_its_way(&self) -> bool {
        self.gate_committed && self.unwanted.is_none()
    }

    /// The number of rollouts executed on the pareto set.
    pub(crate) fn pareto_executed(&self) -> u64 {
        self.row.as_ref().map_or(0, Row::executed)
    }

    /// The content of its child; `None` before it has one.
    pub(crate) fn content(&self) -> Option<ContentId> {
        self.child.as_ref().map(|child| child.content_id())
    }

    /// The iteration whose reflection requested its text.
    pub(crate) fn reflection(&self) -> u64 {
        self.asker.unwrap_or(self.iteration)
    }

    /// Whether the gate can be committed.
    pub(crate) fn gate_is_ready(&self) -> bool {
        !self.gate_committed && self.verdict.is_some()
    }

    /// Whether the pareto scores can be committed.
    pub(crate) fn pareto_is_ready(&self) -> bool {
        let is_over = |row: &Row| match self.unwanted {
            Some(_) => row.is_idle(),
            None => row.is_complete(),
        };
        self.gate_committed && self.row.as_ref().is_some_and(is_over)
    }

    /// What was used up to the gate: everything except the pareto rollouts.
    pub(crate) fn gate_usage(&self) -> Reservation {
        let executed = self.gate_trials().map(Trial::executed).sum();
        Reservation {
            rollouts: executed,
            reflections: self.reflections,
        }
    }
}
