use serde_json::json;

use super::*;

#[test]
fn provider_and_model_are_all_a_model_needs() {
    let settings: ModelSettings =
        serde_json::from_value(json!({"provider": "openai", "model": "m"})).unwrap();
    assert_eq!(settings, ModelSettings::new("openai", "m"));
    assert_eq!(
        serde_json::to_value(&settings).unwrap(),
        json!({"provider": "openai", "model": "m"})
    );
    assert!(serde_json::from_value::<ModelSettings>(json!({"provider": "openai"})).is_err());
    assert_eq!(
        serde_json::from_value::<ProviderSettings>(json!({})).unwrap(),
        ProviderSettings::default()
    );
}

#[test]
fn what_is_written_is_read_back() {
    let written = json!({
        "provider": "vllm",
        "model": "m",
        "base_url": "http://host/v1",
        "api_key_env": "KEY",
        "temperature": 0.5,
        "top_p": 1.0,
        "max_tokens": 10,
        "seed": 3,
        "extra": {"reasoning": {"effort": "low"}},
        "max_tokens_field": "max_completion_tokens",
        "connect_timeout_seconds": 1.0,
        "first_byte_timeout_seconds": 2.0,
        "timeout_seconds": 3.0,
        "max_attempts": 2,
    });
    let settings: ModelSettings = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&settings).unwrap(), written);
}

#[test]
fn the_schema_describes_every_key_and_requires_two() {
    let schema = serde_json::to_value(schemars::schema_for!(ModelSettings)).unwrap();
    assert_eq!(schema["required"], json!(["provider", "model"]));
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), 15);
    for (name, property) in properties {
        let description = property["description"].as_str().unwrap_or_default();
        assert!(description.len() > 20, "{name} has no description");
    }
}
