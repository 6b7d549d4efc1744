//! Prices of models.

mod catalogue;

use catalogue::row_of;

use super::endpoint::canonical_name;
use super::reply::Counted;
use super::settings::PriceSettings;
use gepa_evaluation::MicroUsd;

pub use catalogue::{PriceCatalogue, PriceCatalogueError};

/// One model's price. A dollar per million tokens is a micro-dollar per token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Price {
    prompt: f64,
    cached: f64,
    cache_written: f64,
    completion: f64,
}

impl Price {
    const FREE: Self = Self {
        prompt: 0.0,
        cached: 0.0,
        cache_written: 0.0,
        completion: 0.0,
    };

    /// The price of a provider's model; `None` where it is not known.
    pub(super) fn find(provider: &str, model: &str, overrides: &[PriceSettings]) -> Option<Self> {
        if let Some(price) = row_of(provider, model, overrides) {
            return Some(Self::from(price));
        }
        if is_free(provider) {
            return Some(Self::FREE);
        }
        PriceCatalogue::built_in()
            .find(provider, model)
            .map(Self::from)
    }

    /// The cost of these tokens, to the nearest micro-dollar.
    pub(super) fn cost(self, tokens: Counted) -> MicroUsd {
        let Counted {
            prompt,
            completion,
            cached,
            cache_written,
        } = tokens;
        let cached = cached.min(prompt);
        let cache_written = cache_written.min(prompt - cached);
        let micros = (prompt - cached - cache_written) as f64 * self.prompt
            + cached as f64 * self.cached
            + cache_written as f64 * self.cache_written
            + completion as f64 * self.completion;
        MicroUsd(micros.round() as u64)
    }

    /// The most these tokens can cost.
    pub(super) fn bound(self, prompt: u64, completion: u64) -> MicroUsd {
        let dearest = self.prompt.max(self.cached).max(self.cache_written);
        let micros = prompt as f64 * dearest + completion as f64 * self.completion;
        MicroUsd(micros.ceil() as u64)
    }
}

impl From<&PriceSettings> for Price {
    fn from(settings: &PriceSettings) -> Self {
        let prompt = settings.prompt_usd_per_million;
        Self {
            prompt,
            cached: settings.cached_usd_per_million.unwrap_or(prompt),
            cache_written: settings.cache_write_usd_per_million.unwrap_or(prompt),
            completion: settings.completion_usd_per_million,
        }
    }
}

/// Whether models of this provider cost nothing unless the config gives a price.
fn is_free(provider: &str) -> bool {
    matches!(canonical_name(provider), "ollama" | "vllm" | "rulebook")
}

#[cfg(test)]
mod tests;
