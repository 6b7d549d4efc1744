//! The cost of a call so far, for callers that may drop the call.

use parking_lot::Mutex;

use gepa_evaluation::Usage;

/// The cost of one call, readable while the call runs and after it was dropped.
#[derive(Debug, Default)]
pub struct Spending {
    state: Mutex<SpendingState>,
}

#[derive(Debug, Default)]
struct SpendingState {
    usage: Usage,
    /// Estimated tokens of the attempt that has not ended.
    under_way: Option<u64>,
}

impl Spending {
    /// The cost so far. An attempt that has not ended counts as a call; its tokens are an estimate
    /// from the text sent and received.
    pub fn usage(&self) -> Usage {
        let state = self.state.lock();
        let mut usage = state.usage;
        if let Some(tokens) = state.under_way {
            usage += Usage {
                calls: 1,
                unknown_tokens: tokens,
                unpriced_calls: 1,
                ..Usage::default()
            };
        }
        usage
    }

    pub(super) fn attempt_started(&self, prompt_tokens: u64) {
        self.state.lock().under_way = Some(prompt_tokens);
    }

    /// More of a streamed reply has arrived.
    pub(super) fn received(&self, tokens: u64) {
        let mut state = self.state.lock();
        state.under_way = state.under_way.map(|so_far| so_far.saturating_add(tokens));
    }

    /// The attempt ended, with or without a completion.
    pub(super) fn attempt_ended(&self, usage: Usage) {
        let mut state = self.state.lock();
        state.under_way = None;
        state.usage += usage;
    }
}

/// What a call cost, where its price and its tokens are known.
pub(super) fn known_cost(usage: Usage) -> Option<u64> {
    (usage.unpriced_calls == 0 && usage.unknown_tokens == 0).then_some(usage.cost.0)
}
