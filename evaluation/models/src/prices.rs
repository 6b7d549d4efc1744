//! Prices of models.

mod catalogue;

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

    pub(super) fn is_free(self) -> bool {
        self == Self::FREE
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

/// The row of a provider's model, under its name or under the name of its family.
fn row_of<'p>(provider: &str, model: &str, rows: &'p [PriceSettings]) -> Option<&'p PriceSettings> {
    let provider = canonical_name(provider);
    [model, without_date(model)].into_iter().find_map(|name| {
        rows.iter()
            .find(|row| canonical_name(&row.provider) == provider && row.model == name)
    })
}

/// `gpt-4o` for `gpt-4o-2024-08-06`, `gpt-4o-20240806` and `gpt-4o-latest`: dated releases cost what
/// their family costs.
fn without_date(model: &str) -> &str {
    const FORMS: [&str; 4] = ["-0000-00-00", "-00000000", "@00000000", "-latest"];
    FORMS
        .iter()
        .find_map(|form| {
            let start = model.len().checked_sub(form.len())?;
            let end = &model.as_bytes()[start..];
            let fits = end
                .iter()
                .zip(form.bytes())
                .all(|(byte, pattern)| match pattern {
                    b'0' => byte.is_ascii_digit(),
                    literal => *byte == literal,
                });
            fits.then(|| &model[..start])
        })
        .unwrap_or(model)
}

#[cfg(test)]
mod tests;
