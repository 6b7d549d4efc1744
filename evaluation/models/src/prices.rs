//! What models cost.

use super::endpoint::canonical_name;
use super::settings::PriceSettings;
use gepa_evaluation::MicroUsd;

/// One model's price. A dollar per million tokens is a micro-dollar per token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Price {
    prompt: f64,
    cached: f64,
    completion: f64,
}

impl Price {
    const FREE: Self = Self {
        prompt: 0.0,
        cached: 0.0,
        completion: 0.0,
    };

    /// The price of a provider's model; `None` where it is not known.
    pub(super) fn find(provider: &str, model: &str, overrides: &[PriceSettings]) -> Option<Self> {
        let provider = canonical_name(provider);
        let names = [model, without_date(model)];
        for name in names {
            let set = overrides
                .iter()
                .find(|price| canonical_name(&price.provider) == provider && price.model == name);
            if let Some(price) = set {
                return Some(Self::from(price));
            }
        }
        if matches!(provider, "ollama" | "vllm" | "rulebook") {
            return Some(Self::FREE);
        }
        names
            .into_iter()
            .find_map(|name| {
                BUILT_IN
                    .iter()
                    .find(|row| row.0 == provider && row.1 == name)
            })
            .map(|&(_, _, prompt, cached, completion)| Self {
                prompt,
                cached,
                completion,
            })
    }

    /// The cost of these tokens, to the nearest micro-dollar; cached ones are part of the prompt.
    pub(super) fn cost(self, prompt: u64, cached: u64, completion: u64) -> MicroUsd {
        let uncached = prompt.saturating_sub(cached);
        let micros = uncached as f64 * self.prompt
            + cached.min(prompt) as f64 * self.cached
            + completion as f64 * self.completion;
        MicroUsd(micros.round() as u64)
    }

    /// The most these tokens can cost.
    pub(super) fn bound(self, prompt: u64, completion: u64) -> MicroUsd {
        let dearest = self.prompt.max(self.cached);
        let micros = prompt as f64 * dearest + completion as f64 * self.completion;
        MicroUsd(micros.ceil() as u64)
    }

    pub(super) fn is_free(self) -> bool {
        self == Self::FREE
    }
}

impl From<&PriceSettings> for Price {
    fn from(settings: &PriceSettings) -> Self {
        Self {
            prompt: settings.prompt_usd_per_million,
            cached: settings
                .cached_usd_per_million
                .unwrap_or(settings.prompt_usd_per_million),
            completion: settings.completion_usd_per_million,
        }
    }
}

/// `gpt-4o` for `gpt-4o-2024-08-06`: dated releases cost what their family costs.
fn without_date(model: &str) -> &str {
    let bytes = model.as_bytes();
    let Some(start) = bytes.len().checked_sub("-2024-08-06".len()) else {
        return model;
    };
    let is_date = bytes[start..].iter().enumerate().all(|(index, byte)| {
        if matches!(index, 0 | 5 | 8) {
            *byte == b'-'
        } else {
            byte.is_ascii_digit()
        }
    });
    if is_date { &model[..start] } else { model }
}

/// Provider, model, then US dollars per million prompt, cached prompt and completion tokens, as
/// the providers published them up to the end of 2025 (standard tier, shortest context band).
/// Prices change: `[[prices]]` overrides every row.
const BUILT_IN: [(&str, &str, f64, f64, f64); 25] = [
    ("openai", "gpt-4o", 2.50, 1.25, 10.00),
    ("openai", "gpt-4o-mini", 0.15, 0.075, 0.60),
    ("openai", "gpt-4.1", 2.00, 0.50, 8.00),
    ("openai", "gpt-4.1-mini", 0.40, 0.10, 1.60),
    ("openai", "gpt-4.1-nano", 0.10, 0.025, 0.40),
    ("openai", "gpt-5", 1.25, 0.125, 10.00),
    ("openai", "gpt-5-mini", 0.25, 0.025, 2.00),
    ("openai", "gpt-5-nano", 0.05, 0.005, 0.40),
    ("openai", "gpt-5.1", 1.25, 0.125, 10.00),
    ("openai", "o3", 2.00, 0.50, 8.00),
    ("openai", "o3-mini", 1.10, 0.55, 4.40),
    ("openai", "o4-mini", 1.10, 0.275, 4.40),
    ("groq", "llama-3.1-8b-instant", 0.05, 0.05, 0.08),
    ("groq", "llama-3.3-70b-versatile", 0.59, 0.59, 0.79),
    (
        "groq",
        "meta-llama/llama-4-scout-17b-16e-instruct",
        0.11,
        0.11,
        0.34,
    ),
    (
        "groq",
        "meta-llama/llama-4-maverick-17b-128e-instruct",
        0.20,
        0.20,
        0.60,
    ),
    ("groq", "openai/gpt-oss-20b", 0.075, 0.0375, 0.30),
    ("groq", "openai/gpt-oss-120b", 0.15, 0.075, 0.60),
    ("groq", "qwen/qwen3-32b", 0.29, 0.29, 0.59),
    ("groq", "moonshotai/kimi-k2-instruct-0905", 1.00, 0.50, 3.00),
    ("gemini", "gemini-2.5-pro", 1.25, 0.125, 10.00),
    ("gemini", "gemini-2.5-flash", 0.30, 0.03, 2.50),
    ("gemini", "gemini-2.5-flash-lite", 0.10, 0.01, 0.40),
    ("gemini", "gemini-2.0-flash", 0.10, 0.025, 0.40),
    ("gemini", "gemini-2.0-flash-lite", 0.075, 0.075, 0.30),
];

#[cfg(test)]
mod tests;
