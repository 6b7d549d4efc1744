//! The faults that a server can show.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

/// One kind of fault.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// An error status, with an OpenAI-style error body around `message`.
    Status {
        /// The status code.
        status: u16,
        /// The `Retry-After` header, if it is sent.
        retry_after: Option<RetryAfter>,
        /// The error's `code` field.
        code: String,
        /// The error's `message` field.
        message: String,
    },
    /// The connection is reset before any answer.
    ResetBeforeHeaders,
    /// The connection is reset after the status line and the headers.
    ResetAfterHeaders,
    /// The first byte of a correct reply comes this much later.
    SlowFirstByte(Duration),
    /// Half of the body is sent, then nothing until the client hangs up.
    StalledBody,
    /// The connection ends before the body does.
    TruncatedBody,
    /// Status 200 and a complete body that is not JSON.
    InvalidJson,
    /// Status 200 and an error object in place of a completion.
    ErrorObject {
        /// The error's numeric `code` field.
        code: u16,
    },
    /// Status 200 and an empty list of choices.
    NoChoices,
    /// A correct reply without usage.
    MissingUsage,
    /// A reply cut off at the token limit.
    Length,
    /// A reply with `message.refusal`.
    Refusal,
    /// A reply ended by a content filter.
    ContentFilter,
    /// A reply that calls a tool and has no text.
    ToolCalls,
    /// Status 200 and a body of at least this many bytes.
    HugeBody(usize),
    /// A correct reply labelled `text/html`.
    WrongContentType,
    /// A redirect to this address.
    Redirect(String),
    /// This answer as it is, whatever path was called.
    Raw {
        /// The status code.
        status: u16,
        /// Headers beside those of the body.
        headers: Vec<(&'static str, String)>,
        /// The body, byte for byte.
        body: Vec<u8>,
    },
}

/// The two forms of `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// The date that many seconds from now.
    DateIn(u64),
}

/// Which calls get a fault, counted in order of arrival from 0.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    by_index: BTreeMap<u64, Fault>,
    from_index: Option<(u64, Fault)>,
    every: Option<(u64, Fault)>,
    seed: u64,
    by_chance: Vec<(f64, Fault)>,
}

impl Fault {
    /// An error status without `Retry-After`.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
            code: "injected".to_owned(),
            message: format!("injected status {status}"),
        }
    }

    /// A success with this body and no headers of its own.
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::Raw {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// An error status with `Retry-After`.
    pub fn status_with_retry_after(status: u16, retry_after: RetryAfter) -> Self {
        Self::Status {
            status,
            retry_after: Some(retry_after),
            code: "injected".to_owned(),
            message: format!("injected status {status}"),
        }
    }
}

impl FaultPlan {
    /// No call gets a fault.
    pub fn none() -> Self {
        Self::default()
    }

    /// The call with this index gets the fault.
    #[must_use]
    pub fn at(mut self, index: u64, fault: Fault) -> Self {
        self.by_index.insert(index, fault);
        self
    }

    /// The first `count` calls get the fault.
    #[must_use]
    pub fn first(self, count: u64, fault: &Fault) -> Self {
        (0..count).fold(self, |plan, index| plan.at(index, fault.clone()))
    }

    /// Every call from this index on gets the fault, unless another is planned for it.
    #[must_use]
    pub fn from(mut self, index: u64, fault: Fault) -> Self {
        self.from_index = Some((index, fault));
        self
    }

    /// Every `nth` call gets the fault, that with index `nth - 1` first, unless another is planned
    /// for it.
    #[must_use]
    pub fn every(mut self, nth: NonZeroU64, fault: Fault) -> Self {
        self.every = Some((nth.get(), fault));
        self
    }

    /// Each remaining call gets the fault with this probability. For several faults the
    /// probabilities add up, and the seed of the last call of this method holds for all of them.
    #[must_use]
    pub fn with_probability(mut self, seed: u64, probability: f64, fault: Fault) -> Self {
        self.seed = seed;
        self.by_chance.push((probability, fault));
        self
    }

    pub(super) fn has_raw(&self) -> bool {
        let planned = self.from_index.iter().map(|(_, fault)| fault);
        let mut planned = planned.chain(self.by_index.values());
        planned.any(|fault| matches!(fault, Fault::Raw { .. }))
    }

    pub(super) fn fault(&self, index: u64) -> Option<&Fault> {
        if let Some(fault) = self.by_index.get(&index) {
            return Some(fault);
        }
        if let Some((from, fault)) = &self.from_index
            && index >= *from
        {
            return Some(fault);
        }
        if let Some((nth, fault)) = &self.every
            && (index + 1).is_multiple_of(*nth)
        {
            return Some(fault);
        }
        let mut rest = unit(self.seed, index);
        self.by_chance.iter().find_map(|(probability, fault)| {
            rest -= probability;
            (rest < 0.0).then_some(fault)
        })
    }
}

/// A number in `[0, 1)` that depends only on the arguments.
fn unit(seed: u64, index: u64) -> f64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&index.to_le_bytes());
    // FNV-1a, then a final mix: the low bits of FNV alone are too regular.
    let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_faults_have_about_the_planned_share_and_are_the_same_each_time() {
        let plan = FaultPlan::none()
            .with_probability(9, 0.2, Fault::InvalidJson)
            .with_probability(9, 0.1, Fault::TruncatedBody);
        let count = |fault: Fault| {
            (0..10_000)
                .filter(|index| plan.fault(*index) == Some(&fault))
                .count()
        };
        assert!((1_850..2_150).contains(&count(Fault::InvalidJson)));
        assert!((880..1_120).contains(&count(Fault::TruncatedBody)));
    }

    #[test]
    fn every_third_call_gets_the_fault() {
        let plan = FaultPlan::none().every(NonZeroU64::new(3).unwrap(), Fault::NoChoices);
        let wrong: Vec<u64> = (0..9)
            .filter(|index| plan.fault(*index).is_some())
            .collect();
        assert_eq!(wrong, [2, 5, 8]);
    }

    #[test]
    fn planned_calls_come_before_ranges_and_chances() {
        let plan = FaultPlan::none()
            .at(3, Fault::Refusal)
            .from(2, Fault::Length)
            .with_probability(1, 1.0, Fault::NoChoices);
        let found: Vec<_> = (0..5).map(|index| plan.fault(index).cloned()).collect();
        let expected = [
            Fault::NoChoices,
            Fault::NoChoices,
            Fault::Length,
            Fault::Refusal,
            Fault::Length,
        ];
        assert_eq!(found, expected.map(Some));
    }
}
