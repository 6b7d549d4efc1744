use super::*;

fn resolve(
    settings: &ModelSettings,
    variables: &[(&str, &str)],
) -> Result<Endpoint, ModelSetupError> {
    let environment = Environment::of(variables.iter().copied());
    Endpoint::resolve(settings, &ProviderSettings::default(), &environment)
}

#[test]
fn base_urls_are_normalised() {
    for (text, expected) in [
        ("https://api.groq.com", "https://api.groq.com/openai/v1"),
        (
            "https://api.groq.com/openai/v1/",
            "https://api.groq.com/openai/v1",
        ),
        ("https://api.groq.com/v1", "https://api.groq.com/openai/v1"),
        ("https://api.openai.com", "https://api.openai.com/v1"),
        (
            "https://api.openai.com/v1/chat/completions",
            "https://api.openai.com/v1",
        ),
        ("https://openrouter.ai", "https://openrouter.ai/api/v1"),
        (
            "https://generativelanguage.googleapis.com",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ("http://gateway:8080/llm/", "http://gateway:8080/llm/v1"),
        ("http://gateway/v1/trial-7", "http://gateway/v1/trial-7"),
        ("http://[::1]:9", "http://[::1]:9/v1"),
    ] {
        let url = normalised(text, "test", Dialect::ChatCompletions).unwrap();
        assert_eq!(url.as_str().trim_end_matches('/'), expected, "{text}");
        assert_eq!(
            normalised(url.as_str(), "test", Dialect::ChatCompletions).unwrap(),
            url,
            "normalising twice changes nothing"
        );
    }
}

#[test]
fn urls_that_hide_secrets_or_are_none_are_refused() {
    for text in [
        "ftp://host/v1",
        "file:///etc/passwd",
        "host/v1",
        "https://user@host/v1",
        "https://:password@host/v1",
        "https://host/v1?key=secret",
        "https://host/v1#part",
        "",
    ] {
        assert!(
            normalised(text, "test", Dialect::ChatCompletions).is_err(),
            "{text}"
        );
    }
}

#[test]
fn the_nearest_address_wins() {
    let variables = [
        ("OPENAI_API_KEY", "key"),
        ("OPENAI_API_BASE", "http://from-variable"),
        ("GEPA_PROVIDER_BASE_URL", "http://from-override"),
    ];
    let mut settings = ModelSettings::new("openai", "m");
    let provider = ProviderSettings {
        base_url: Some("http://from-provider".to_owned()),
        ..ProviderSettings::default()
    };
    let base = |settings: &ModelSettings, provider: &ProviderSettings, known: usize| {
        let environment = Environment::of(variables[..known].iter().copied());
        Endpoint::resolve(settings, provider, &environment)
            .unwrap()
            .base_url
    };
    let absent = ProviderSettings::default();
    assert_eq!(base(&settings, &absent, 1), "https://api.openai.com/v1");
    assert_eq!(base(&settings, &absent, 2), "http://from-variable/v1");
    assert_eq!(base(&settings, &provider, 2), "http://from-provider/v1");
    settings.base_url = Some("http://from-model".to_owned());
    assert_eq!(base(&settings, &provider, 2), "http://from-model/v1");
    assert_eq!(base(&settings, &provider, 3), "http://from-override/v1");
}

#[test]
fn keys_are_needed_where_strangers_listen() {
    let missing = |provider: &str| resolve(&ModelSettings::new(provider, "m"), &[]).err();
    for (provider, variable) in [
        ("openai", "OPENAI_API_KEY"),
        ("groq", "GROQ_API_KEY"),
        ("gemini", "GEMINI_API_KEY"),
        ("google", "GEMINI_API_KEY"),
        ("openrouter", "OPENROUTER_API_KEY"),
    ] {
        let expected = ModelSetupError::MissingKey {
            provider: provider.to_owned(),
            variable: variable.to_owned(),
        };
        assert_eq!(missing(provider), Some(expected), "{provider}");
    }
    assert_eq!(missing("ollama"), None);
    assert_eq!(missing("vllm"), None);
    let mut own = ModelSettings::new("my-host", "m");
    own.base_url = Some("https://my-host.example".to_owned());
    assert!(
        resolve(&own, &[])
            .unwrap_err()
            .to_string()
            .contains("MY_HOST_API_KEY")
    );
    assert!(resolve(&own, &[("MY_HOST_API_KEY", "k")]).is_ok());
    own.base_url = Some("http://localhost:1".to_owned());
    assert!(resolve(&own, &[]).is_ok());
}

#[test]
fn google_is_gemini_under_either_name() {
    let google = ModelSettings::new("google", "m");
    for variable in ["GOOGLE_API_KEY", "GEMINI_API_KEY"] {
        let endpoint = resolve(&google, &[(variable, "k")]).unwrap();
        assert_eq!(endpoint.key_variable, variable);
    }
    let endpoint = resolve(&google, &[("GEMINI_API_BASE", "http://[::1]")]).unwrap();
    assert!(endpoint.is_loopback);
}

#[test]
fn an_unknown_provider_is_explained() {
    let error = resolve(&ModelSettings::new("groc", "m"), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`groc`") && error.contains("groq") && error.contains("GROC_API_BASE"),
        "{error}"
    );
}

#[test]
fn every_dialect_has_its_own_base() {
    for (dialect, text, expected) in [
        (
            Dialect::Anthropic,
            "https://api.anthropic.com",
            "https://api.anthropic.com/v1",
        ),
        (
            Dialect::Anthropic,
            "https://api.anthropic.com/v1/messages",
            "https://api.anthropic.com/v1",
        ),
        (
            Dialect::Gemini,
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "https://generativelanguage.googleapis.com/v1beta",
        ),
        (
            Dialect::Azure,
            "https://me.openai.azure.com/openai/deployments/x",
            "https://me.openai.azure.com",
        ),
        (
            Dialect::Azure,
            "https://me.openai.azure.com/",
            "https://me.openai.azure.com",
        ),
        (
            Dialect::Bedrock,
            "https://bedrock-runtime.x.amazonaws.com",
            "https://bedrock-runtime.x.amazonaws.com",
        ),
        (
            Dialect::Responses,
            "https://api.openai.com/v1/responses",
            "https://api.openai.com/v1",
        ),
    ] {
        let url = normalised(text, "test", dialect).unwrap();
        assert_eq!(url.as_str().trim_end_matches('/'), expected, "{text}");
    }
}

#[test]
fn providers_without_an_address_of_their_own_say_what_to_set() {
    let missing = |provider: &str, variables: &[(&str, &str)]| {
        resolve(&ModelSettings::new(provider, "m"), variables)
            .unwrap_err()
            .to_string()
    };
    assert!(missing("azure", &[]).contains("AZURE_API_BASE"));
    assert!(missing("bedrock", &[]).contains("no known address"));
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let with_base = [&keys[..], &[("BEDROCK_API_BASE", "https://host")]].concat();
    assert!(missing("bedrock", &with_base).contains("AWS_REGION"));
    assert!(missing("bedrock", &[("AWS_REGION", "r")]).contains("AWS_ACCESS_KEY_ID"));
    let with_token = [
        ("AWS_BEARER_TOKEN_BEDROCK", "t"),
        ("AWS_DEFAULT_REGION", "r"),
    ];
    let endpoint = resolve(&ModelSettings::new("bedrock", "m"), &with_token).unwrap();
    assert_eq!(endpoint.base_url, "https://bedrock-runtime.r.amazonaws.com");
}
