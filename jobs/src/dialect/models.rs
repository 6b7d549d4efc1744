//! Reads the policy and the model that rewrites prompts.

use gepa_models::{ModelSettings, public_base_url};

use super::reader::Reader;
use super::spellings::{
    MUTATION_MODEL, MUTATION_PROVIDER, MUTATION_URL, POLICY_MAX_TOKENS, POLICY_MODEL,
    POLICY_PROVIDER, Spellings,
};

const PROVIDER_OF_MUTATION: &str = "groq";
const MODE: Spellings = &["gepa.proposer_mode"];
const DEFAULT_MAX_TOKENS: u32 = 512;

/// The keys of `policy` that this file reads.
pub(super) const POLICY_KEYS: [&str; 10] = [
    "model",
    "provider",
    "inference_mode",
    "temperature",
    "max_completion_tokens",
    "max_tokens",
    "policy_name",
    "inference_url",
    "api_base",
    "base_url",
];

/// The policy's model. If it is not named, the document is refused and the result is `None`.
pub(super) fn read_policy(reader: &mut Reader<'_>) -> Option<ModelSettings> {
    for name in ["inference_url", "api_base", "base_url"] {
        let key = reader.full(&format!("policy.{name}"));
        if reader.value(&key).is_some() {
            reader.refuse(
                &key,
                "cannot be set: the engine tells the task app where to send its model calls",
            );
        }
    }
    read_inference_mode(reader);
    reader.link("policy", &["policy"]);
    reader.link("policy.model", POLICY_MODEL);
    reader.link("policy.provider", POLICY_PROVIDER);
    let provider = provider(reader, POLICY_PROVIDER);
    let model = reader.text(POLICY_MODEL);
    for (spellings, key) in [
        (POLICY_PROVIDER, "policy.provider"),
        (POLICY_MODEL, "policy.model"),
    ] {
        if reader.find(spellings).is_none() {
            let key = reader.full(key);
            reader.refuse(&key, "is missing; name the policy's `provider` and `model`");
        }
    }
    let temperature = temperature(reader, &["policy.temperature"]).unwrap_or(0.0);
    let max_tokens = reader
        .count32(POLICY_MAX_TOKENS)
        .unwrap_or(DEFAULT_MAX_TOKENS);
    let mut settings = named(provider?, &model?);
    settings.temperature = Some(temperature);
    settings.max_tokens = Some(max_tokens);
    Some(settings)
}

/// The model that rewrites prompts: that of the proposer mode, otherwise that of the mutation,
/// otherwise that of the policy.
pub(super) fn read_mutation_model(
    reader: &mut Reader<'_>,
    policy: Option<&ModelSettings>,
) -> Option<ModelSettings> {
    reader.link("reflection_model", MUTATION_MODEL);
    reader.link("reflection_model.provider", MUTATION_PROVIDER);
    reader.link("reflection_model.base_url", MUTATION_URL);
    let mut provider_named = provider(reader, MUTATION_PROVIDER);
    let mut model = reader.text(MUTATION_MODEL);
    let mut temperature_set = temperature(reader, &["gepa.mutation.temperature"]);
    let mut max_tokens = reader.count32(&["gepa.mutation.max_tokens"]);
    let mode = reader.word(MODE, &["dspy", "gepa-ai", "gepa_ai", "synth"]);
    let of_mode: Option<&[Spellings; 4]> = mode.as_deref().map(|mode| match mode {
        "dspy" => &OF_DSPY,
        "synth" => &OF_SYNTH,
        _ => &OF_GEPA_AI,
    });
    if let Some([meta_model, meta_provider, meta_temperature, meta_max_tokens]) = of_mode {
        model = reader.text(meta_model).or(model);
        provider_named = provider(reader, meta_provider).or(provider_named);
        temperature_set = temperature(reader, meta_temperature).or(temperature_set);
        max_tokens = reader.count32(meta_max_tokens).or(max_tokens);
    }
    let url = reader.text(MUTATION_URL);
    let mut settings = if let Some(model) = model {
        named(
            provider_named.unwrap_or_else(|| PROVIDER_OF_MUTATION.to_owned()),
            &model,
        )
    } else {
        let policy = policy?;
        let key = reader.key(MUTATION_MODEL);
        reader.note(
            &key,
            format!(
                "is not set; {} of the policy rewrites prompts",
                policy.model
            ),
        );
        ModelSettings::new(policy.provider.clone(), policy.model.clone())
    };
    settings.temperature = temperature_set;
    settings.max_tokens = max_tokens;
    // A provider's public address is the default, and must not override the variable with its
    // address.
    settings.base_url = url.filter(|url| !is_public(&settings.provider, url));
    Some(settings)
}

const OF_DSPY: [Spellings; 4] = [
    &["gepa.mutation.dspy_meta_model"],
    &["gepa.mutation.dspy_meta_provider"],
    &["gepa.mutation.dspy_temperature"],
    &["gepa.mutation.dspy_max_tokens"],
];
const OF_GEPA_AI: [Spellings; 4] = [
    &["gepa.mutation.gepa_ai_meta_model"],
    &["gepa.mutation.gepa_ai_meta_provider"],
    &["gepa.mutation.gepa_ai_temperature"],
    &["gepa.mutation.gepa_ai_max_tokens"],
];
const OF_SYNTH: [Spellings; 4] = [
    &["gepa.mutation.synth_meta_model"],
    &["gepa.mutation.synth_meta_provider"],
    &["gepa.mutation.synth_temperature"],
    &["gepa.mutation.synth_max_tokens"],
];

fn read_inference_mode(reader: &mut Reader<'_>) {
    const MODE: Spellings = &["policy.inference_mode"];
    const HOSTED: &str = "synth_hosted";
    let key = reader.key(MODE);
    match reader.text(MODE) {
        Some(mode) if mode != HOSTED => {
            reader.refuse(
                &key,
                format!("is `{mode}`; only `{HOSTED}` is known: the engine routes model calls"),
            );
        }
        None if reader.find(MODE).is_none() => {
            reader.note(&key, format!("is missing and taken to be `{HOSTED}`"));
        }
        _ => {}
    }
}

fn provider(reader: &mut Reader<'_>, spellings: Spellings) -> Option<String> {
    let name = reader.text(spellings)?.to_lowercase();
    if name == "synth" {
        let key = reader.key(spellings);
        reader.refuse(
            &key,
            "is `synth`, a hosted service this engine cannot call; name the provider that serves the model, \
             for example `groq` or `openai`",
        );
        return None;
    }
    Some(name)
}

fn temperature(reader: &mut Reader<'_>, spellings: Spellings) -> Option<f64> {
    reader.number(spellings, "a number from 0 to 2", |number| {
        (0.0..=2.0).contains(&number)
    })
}

/// Removes a leading `provider/` that repeats the provider. `openai/gpt-oss-20b` of groq stays as
/// it is.
fn named(provider: String, model: &str) -> ModelSettings {
    let repeated = model
        .strip_prefix(provider.as_str())
        .and_then(|rest| rest.strip_prefix('/'));
    let model = repeated
        .filter(|rest| !rest.is_empty())
        .unwrap_or(model)
        .to_owned();
    ModelSettings::new(provider, model)
}

fn is_public(provider: &str, url: &str) -> bool {
    let host = |url: &str| {
        gepa_models::HttpAddress::parse(url)
            .ok()
            .map(|address| address.origin())
    };
    public_base_url(provider)
        .is_some_and(|public| host(public).is_some() && host(public) == host(url))
}
