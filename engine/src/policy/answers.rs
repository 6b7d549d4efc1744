//! Decides who answers a policy question: the journal, a foreign policy, or the configured one.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::event::{PolicyDecided, PolicyPoint};

/// One point of the search: the configured policy, and a foreign one that replaces it.
pub(crate) struct Seat<P: ?Sized> {
    /// Sets the bounds: how many rollouts and reflection calls an answer may cost.
    pub(crate) configured: Box<P>,
    /// A policy that is not replayable. Its answers are cut to the bounds of the configured policy.
    pub(crate) foreign: Option<Box<P>>,
}

/// A question as the journal names it. Ordered by iteration, so that old ones can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) iteration: u64,
    pub(crate) point: PolicyPoint,
    pub(crate) number: u32,
}

/// The answers of foreign policies: those that are known already, and those still to be journaled.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    known: BTreeMap<Question, Value>,
    made: Vec<PolicyDecided>,
    is_replaying: bool,
}

/// An answer, and whether it came from a foreign policy, now or when the journal was written.
pub(crate) struct Answer<A> {
    pub(crate) answer: A,
    pub(crate) is_foreign: bool,
}

impl<P: ?Sized> Seat<P> {
    /// Replaces the configured policy by a replayable one for good.
    pub(crate) fn new(
        configured: Box<P>,
        given: Option<Box<P>>,
        is_replayable: impl Fn(&P) -> bool,
    ) -> Self {
        match given {
            Some(given) if is_replayable(&given) => Self {
                configured: given,
                foreign: None,
            },
            foreign => Self {
                configured,
                foreign,
            },
        }
    }
}

impl Question {
    /// The first question at a point.
    pub(crate) fn first(point: PolicyPoint, iteration: u64) -> Self {
        Self {
            iteration,
            point,
            number: 0,
        }
    }
}

impl Answers {
    /// Returns the journal's answer if there is one. Otherwise it asks the foreign policy and
    /// journals the answer, or asks the configured policy if there is no foreign one. While a
    /// journal is replayed no foreign policy is asked: if the journal has no answer of one, none
    /// was asked at that time.
    pub(crate) fn ask<P: ?Sized, A: Serialize + DeserializeOwned>(
        &mut self,
        question: Question,
        seat: &mut Seat<P>,
        ask: impl FnOnce(&mut P) -> A,
    ) -> Answer<A> {
        let known = self.known.get(&question);
        if let Some(answer) = known.and_then(|answer| A::deserialize(answer).ok()) {
            return Answer {
                answer,
                is_foreign: true,
            };
        }
        match &mut seat.foreign {
            Some(foreign) if !self.is_replaying => {
                let answer = ask(foreign);
                self.journal(question, &answer);
                Answer {
                    answer,
                    is_foreign: true,
                }
            }
            _ => Answer {
                answer: ask(&mut seat.configured),
                is_foreign: false,
            },
        }
    }

    /// Adds an answer that the journal holds.
    pub(crate) fn recall(&mut self, decided: &PolicyDecided) {
        let question = Question {
            iteration: decided.iteration,
            point: decided.point,
            number: decided.number,
        };
        self.known.insert(question, decided.answer.clone());
    }

    /// Sets whether a stored journal is being replayed.
    pub(crate) fn set_replaying(&mut self, is_replaying: bool) {
        self.is_replaying = is_replaying;
    }

    /// Forgets answers for iterations before this one.
    pub(crate) fn forget_before(&mut self, iteration: u64) {
        if self.known.is_empty() {
            return;
        }
        let first = Question::first(PolicyPoint::Parent, iteration);
        self.known = self.known.split_off(&first);
    }

    /// The answers made since the last call, in order.
    pub(crate) fn take_made(&mut self) -> Vec<PolicyDecided> {
        std::mem::take(&mut self.made)
    }

    fn journal(&mut self, question: Question, answer: &impl Serialize) {
        let answer = serde_json::to_value(answer).unwrap_or_default();
        // The same question may come again and then gets the same answer.
        self.known.insert(question, answer.clone());
        self.made.push(PolicyDecided {
            point: question.point,
            iteration: question.iteration,
            number: question.number,
            answer,
        });
    }
}
