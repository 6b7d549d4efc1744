//! Reads the cost that a reply reports, in the dialects of providers and gateways.

use serde_json::Value;

use gepa_evaluation::{MicroUsd, Usage};

/// Token counts above this are a provider's mistake, not a bill.
pub(crate) const MOST_TOKENS: u64 = Usage::MOST_COUNTED;

/// Dollars above this are a provider's mistake, not the bill of one call.
const MOST_DOLLARS: f64 = Usage::MOST_DOLLARS;

/// What the provider says a reply used and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) tokens: ReportedTokens,
    /// The bill, where the provider sends one with the reply.
    pub(crate) cost: Option<MicroUsd>,
}

/// Tokens as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReportedTokens {
    Counted(Counted),
    /// Only a sum, which cannot be split.
    Total(u64),
    #[default]
    Absent,
}

/// Counts that can be priced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Everything the model read, from a cache or not.
    pub(crate) prompt: u64,
    /// Everything the model wrote, its reasoning included.
    pub(crate) completion: u64,
    /// The part of `prompt` that was read from the provider's cache.
    pub(crate) cached: u64,
    /// The part of `prompt` that was written to the provider's cache.
    pub(crate) cache_written: u64,
}

impl Reported {
    /// Reads a `usage` object; anything else reports nothing.
    pub(crate) fn of(usage: &Value) -> Self {
        Self {
            tokens: tokens(usage),
            cost: cost(usage),
        }
    }

    /// Whether nothing was reported at all.
    pub(crate) fn is_absent(&self) -> bool {
        *self == Self::default()
    }

    /// Reads the last `usage` in a body that cannot be read as a whole.
    pub(crate) fn salvaged(body: &[u8]) -> Self {
        const KEY: &[u8] = b"\"usage\"";
        let at = body.windows(KEY.len()).rposition(|window| window == KEY);
        let value = at.and_then(|at| {
            let rest = body[at + KEY.len()..].trim_ascii_start();
            super::lenient::read_first(rest.strip_prefix(b":")?)
        });
        value.map(|usage| Self::of(&usage)).unwrap_or_default()
    }
}

fn tokens(usage: &Value) -> ReportedTokens {
    let count = |pointers: &[&str]| {
        let found = pointers
            .iter()
            .find_map(|pointer| whole(usage.pointer(pointer)?));
        found.filter(|tokens| *tokens <= MOST_TOKENS)
    };
    let prompt = count(&["/prompt_tokens", "/input_tokens"]);
    let completion = count(&["/completion_tokens", "/output_tokens"]);
    let total = count(&["/total_tokens"]);
    let (Some(prompt), Some(completion)) = (prompt, completion) else {
        return match total {
            Some(total) if total > 0 => ReportedTokens::Total(total),
            _ => ReportedTokens::Absent,
        };
    };
    let reasoning = count(&[
        "/completion_tokens_details/reasoning_tokens",
        "/output_tokens_details/reasoning_tokens",
        "/reasoning_tokens",
    ]);
    // Some providers count reasoning beside the completion, and bill it as completion. The total
    // shows which providers do.
    let beyond = match (total, reasoning) {
        (Some(total), _) => total.saturating_sub(prompt),
        (None, Some(reasoning)) if reasoning > completion => completion.saturating_add(reasoning),
        (None, _) => 0,
    };
    let cached = count(&[
        "/prompt_tokens_details/cached_tokens",
        "/input_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens",
        "/cached_tokens",
        "/cache_read_input_tokens",
    ]);
    let cache_written = count(&[
        "/cache_creation_input_tokens",
        "/prompt_tokens_details/cache_creation_tokens",
        "/prompt_tokens_details/cache_write_tokens",
    ]);
    let cached = cached.unwrap_or(0).min(prompt);
    ReportedTokens::Counted(Counted {
        prompt,
        completion: completion.max(beyond),
        cached,
        cache_written: cache_written.unwrap_or(0).min(prompt - cached),
    })
}

/// `usage.cost` in dollars: a number, a text, or an object with a total. Where the user pays the
/// provider behind a gateway directly, the gateway's cost is only its fee.
fn cost(usage: &Value) -> Option<MicroUsd> {
    let cost = usage.get("cost").or_else(|| usage.get("total_cost"))?;
    let cost = cost.get("total_cost").unwrap_or(cost);
    let dollars = number(cost).filter(|dollars| (0.0..=MOST_DOLLARS).contains(dollars))?;
    let upstream = usage
        .get("is_byok")
        .and_then(Value::as_bool)
        .filter(|is_byok| *is_byok)
        .and_then(|_| number(usage.pointer("/cost_details/upstream_inference_cost")?))
        .filter(|dollars| (0.0..=MOST_DOLLARS).contains(dollars));
    Some(MicroUsd::from_dollars(dollars + upstream.unwrap_or(0.0)))
}

/// A count as an integer, a float without a fraction, or a text of either.
fn whole(value: &Value) -> Option<u64> {
    if let Some(count) = value.as_u64() {
        return Some(count);
    }
    let number = number(value)?;
    (number >= 0.0 && number.fract() == 0.0 && number <= MOST_TOKENS as f64)
        .then_some(number as u64)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The cost that a body, or a piece of a stream, reports.
pub(crate) fn reported_in(json: &Value) -> Reported {
    let usage = json.get("usage").filter(|usage| usage.is_object());
    let usage = usage.or_else(|| json.pointer("/x_groq/usage"));
    usage.map(Reported::of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(usage: &Value, expected: ReportedTokens) {
        assert_eq!(Reported::of(usage).tokens, expected, "{usage}");
    }

    fn counted(prompt: u64, completion: u64, cached: u64) -> ReportedTokens {
        ReportedTokens::Counted(Counted {
            prompt,
            completion,
            cached,
            cache_written: 0,
        })
    }

    #[test]
    fn only_plausible_counts_are_believed() {
        check(
            &json!({"prompt_tokens": 3, "completion_tokens": 0}),
            counted(3, 0, 0),
        );
        let more_cached_than_sent = json!({
            "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 9},
        });
        check(&more_cached_than_sent, counted(3, 2, 3));
        check(&json!({"total_tokens": 7}), ReportedTokens::Total(7));
        check(
            &json!({"prompt_tokens": 7, "total_tokens": 9}),
            ReportedTokens::Total(9),
        );
        let negative =
            json!({"prompt_tokens": 1000, "completion_tokens": -1, "total_tokens": 1000});
        check(&negative, ReportedTokens::Total(1000));
        for nonsense in [
            json!(null),
            json!({}),
            json!({"prompt_tokens": -1, "completion_tokens": 2}),
            json!({"prompt_tokens": 1.5, "completion_tokens": 2}),
            json!({"prompt_tokens": "many", "completion_tokens": 2}),
            json!({"prompt_tokens": u64::MAX, "completion_tokens": 2}),
            json!({"total_tokens": 0}),
            json!([1, 2]),
        ] {
            check(&nonsense, ReportedTokens::Absent);
        }
    }

    #[test]
    fn floats_and_texts_are_numbers() {
        check(
            &json!({"prompt_tokens": 1000.0, "completion_tokens": 50.0}),
            counted(1000, 50, 0),
        );
        check(
            &json!({"prompt_tokens": "1000", "completion_tokens": " 50 "}),
            counted(1000, 50, 0),
        );
    }

    #[test]
    fn cached_tokens_are_read_in_every_dialect() {
        for dialect in [
            json!({"prompt_tokens_details": {"cached_tokens": 900}}),
            json!({"prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100}),
            json!({"cached_tokens": 900}),
            json!({"cache_read_input_tokens": 900}),
            json!({"prompt_tokens_details": null, "cached_tokens": "900"}),
        ] {
            let mut usage = dialect.clone();
            usage["prompt_tokens"] = json!(1000);
            usage["completion_tokens"] = json!(50);
            check(&usage, counted(1000, 50, 900));
        }
        let responses = json!({
            "input_tokens": 1000, "output_tokens": 50,
            "input_tokens_details": {"cached_tokens": 900},
        });
        check(&responses, counted(1000, 50, 900));
    }

    #[test]
    fn reasoning_that_is_counted_beside_the_completion_is_billed_as_completion() {
        let by_total = json!({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623});
        check(&by_total, counted(20, 603, 0));
        let by_details = json!({
            "prompt_tokens": 20, "completion_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 300},
        });
        check(&by_details, counted(20, 305, 0));
        let included = json!({
            "prompt_tokens": 20, "completion_tokens": 305, "total_tokens": 325,
            "completion_tokens_details": {"reasoning_tokens": 300},
        });
        check(&included, counted(20, 305, 0));
    }

    #[test]
    fn the_bill_of_a_gateway_is_read() {
        for (usage, micros) in [
            (json!({"cost": 0.0123}), Some(12_300)),
            (json!({"cost": "0.0123"}), Some(12_300)),
            (
                json!({"cost": {"total_cost": 0.006, "currency": "USD"}}),
                Some(6_000),
            ),
            (json!({"cost": 0}), Some(0)),
            (
                json!({"cost": 0.001, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.02}}),
                Some(21_000),
            ),
            (json!({"cost": -1.0}), None),
            (json!({"cost": null}), None),
            (json!({"cost": 1e9}), None),
        ] {
            let cost = Reported::of(&usage).cost;
            assert_eq!(cost.map(|cost| cost.0), micros, "{usage}");
        }
    }

    #[test]
    fn usage_is_found_in_a_body_that_cannot_be_read() {
        let torn = br#"{"choices": [{"message": oops}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}, "#;
        assert_eq!(Reported::salvaged(torn).tokens, counted(10, 5, 0));
        assert!(Reported::salvaged(br#"{"usage": {"prompt_tok"#).is_absent());
        assert!(Reported::salvaged(b"<html>").is_absent());
    }
}
