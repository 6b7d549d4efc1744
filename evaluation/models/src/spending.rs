//! The cost of a call so far, for callers that may drop the call.

use parking_lot::Mutex;

use gepa_evaluation::Usage;

use super::prices::Price;

/// The cost of one call, readable while the call runs and after it was dropped.
#[derive(Debug, Default)]
pub struct Spending {
    state: Mutex<SpendingState>,
}

#[derive(Debug, Default)]
struct SpendingState {
    usage: Usage,
    /// The attempt that has not ended.
    under_way: Option<UnderWay>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    sent: Sent,
    /// Estimated tokens of what has arrived.
    received: u64,
}

/// The size of a request, for replies that do not report what they used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Estimated tokens of the prompt.
    pub(super) prompt: u64,
    /// The most tokens that all choices of the reply can have.
    pub(super) most_completion: u64,
    /// The model's price, where it is known.
    pub(super) price: Option<Price>,
}

impl Sent {
    /// The usage of one reply of about this many tokens, which reported nothing.
    pub(super) fn answered_with(self, completion: u64) -> Usage {
        self.estimated(self.prompt, completion)
    }

    /// The usage of one reply that reported only a sum of tokens. As many of them as can be are
    /// completion tokens, which cost the most.
    pub(super) fn using(self, total: u64) -> Usage {
        let completion = total.min(self.most_completion);
        self.estimated(total - completion, completion)
    }

    fn estimated(self, prompt: u64, completion: u64) -> Usage {
        let cost = self.price.map(|price| price.bound(prompt, completion));
        Usage {
            calls: 1,
            unknown_tokens: prompt.saturating_add(completion),
            cost: cost.unwrap_or_default(),
            unpriced_calls: u64::from(cost.is_none()),
            ..Usage::default()
        }
    }
}

impl Spending {
    /// The cost so far. An attempt that has not ended counts as a call; its tokens are an estimate
    /// from the text sent and received.
    pub fn usage(&self) -> Usage {
        let state = self.state.lock();
        let mut usage = state.usage;
        if let Some(UnderWay { sent, received }) = state.under_way {
            usage += sent.answered_with(received);
        }
        usage
    }

    pub(super) fn attempt_started(&self, sent: Sent) {
        self.state.lock().under_way = Some(UnderWay { sent, received: 0 });
    }

    /// More of a streamed reply has arrived.
    pub(super) fn received(&self, tokens: u64) {
        let mut state = self.state.lock();
        if let Some(attempt) = &mut state.under_way {
            attempt.received = attempt.received.saturating_add(tokens);
        }
    }

    /// The attempt ended, with or without a completion.
    pub(super) fn attempt_ended(&self, usage: Usage) {
        let mut state = self.state.lock();
        state.under_way = None;
        state.usage += usage;
    }
}

/// What a call cost, where its price and its tokens are known. An estimate does not correct what was
/// reserved for the call.
pub(super) fn known_cost(usage: Usage) -> Option<u64> {
    (usage.unpriced_calls == 0 && usage.unknown_tokens == 0).then_some(usage.cost.0)
}
