//! The requests that settings lead to.

use std::path::Path;

use gepa_evaluation::LanguageModel;
use gepa_models::{
    Environment, MaxTokensField, ModelSettings, ModelSetupError, Models, ProviderSettings,
};
use gepa_testing::{FaultPlan, ModelServer};
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::support::{KEY, connect, echoing, fast, models, prices, request, settings};

async fn sent_body(server: &ModelServer, settings: &ModelSettings) -> Value {
    connect(server, settings)
        .complete(request("hi"))
        .await
        .unwrap();
    server.ledger().recent.last().unwrap().body.clone()
}

#[tokio::test]
async fn every_setting_reaches_the_body_and_extra_wins() {
    let server = echoing(FaultPlan::none()).await;
    let full = ModelSettings {
        temperature: Some(0.5),
        top_p: Some(0.9),
        seed: Some(-7),
        extra: json!({"reasoning_effort": "low", "top_p": 0.8})
            .as_object()
            .unwrap()
            .clone(),
        ..settings()
    };
    let expected = json!({
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "Repeat."},
            {"role": "user", "content": "hi"},
        ],
        "temperature": 0.5,
        "top_p": 0.8,
        "max_completion_tokens": 64,
        "seed": -7,
        "reasoning_effort": "low",
    });
    assert_eq!(sent_body(&server, &full).await, expected);
    let older = ModelSettings {
        max_tokens_field: Some(MaxTokensField::MaxTokens),
        ..settings()
    };
    let body = sent_body(&server, &older).await;
    assert_eq!(
        (&body["max_tokens"], &body["max_completion_tokens"]),
        (&json!(64), &Value::Null)
    );
    let bare = ModelSettings::new("groq", "m");
    let names: Vec<String> = sent_body(&server, &bare)
        .await
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(names, ["model", "messages"]);
}

#[tokio::test]
async fn the_key_travels_in_the_authorization_header_only() {
    let server = echoing(FaultPlan::none()).await;
    connect(&server, &settings())
        .complete(request("hi"))
        .await
        .unwrap();
    let call = &server.ledger().recent[0];
    assert_eq!(
        call.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(call.path, "/v1/chat/completions");
    let elsewhere = call
        .headers
        .iter()
        .filter(|(name, _)| name != "authorization");
    assert!(elsewhere.into_iter().all(|(_, value)| !value.contains(KEY)));
    assert!(!call.body.to_string().contains(KEY));
}

#[tokio::test]
async fn one_variable_overrides_every_address() {
    let server = echoing(FaultPlan::none()).await;
    let environment = Environment::of([
        ("GEPA_PROVIDER_BASE_URL", server.address().to_string()),
        ("GROQ_API_BASE", "http://127.0.0.1:1/v1".to_owned()),
    ]);
    let settings = ModelSettings {
        base_url: Some("http://127.0.0.1:1/v1".to_owned()),
        ..settings()
    };
    let refused = Models::new(environment).connect(&settings, &IndexMap::new(), &[]);
    assert!(
        matches!(refused, Err(ModelSetupError::BadBaseUrl { .. })),
        "an address without http:// is not a URL: {refused:?}"
    );
    let environment = Environment::of([(
        "GEPA_PROVIDER_BASE_URL",
        format!("http://{}/", server.address()),
    )]);
    let models = Models::with_timing(environment, fast());
    let providers = IndexMap::from([(
        "groq".to_owned(),
        ProviderSettings {
            base_url: Some("http://127.0.0.1:1/v1".to_owned()),
            ..ProviderSettings::default()
        },
    )]);
    let model = models.connect(&settings, &providers, &prices()).unwrap();
    assert_eq!(
        model.complete(request("over here")).await.unwrap().text,
        "over here"
    );
    assert_eq!(model.info().provider, "groq");
}

#[tokio::test]
async fn a_dotenv_file_supplies_address_and_key() {
    let server = echoing(FaultPlan::none()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    let text = format!(
        "export MYHOST_API_BASE=\"{}\" # local\nMYHOST_API_KEY='{KEY}'\n",
        server.base_url()
    );
    std::fs::write(&file, text).unwrap();
    let environment = Environment::default()
        .overlaid_with(Path::new(&file))
        .unwrap();
    let models = Models::with_timing(environment, fast());
    let settings = ModelSettings::new("myhost", "m");
    let model = models.connect(&settings, &IndexMap::new(), &[]).unwrap();
    model.complete(request("hi")).await.unwrap();
    let ledger = server.ledger();
    assert_eq!(
        ledger.recent[0].header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
}

#[tokio::test]
async fn settings_out_of_range_are_named() {
    let server = echoing(FaultPlan::none()).await;
    let bad = [
        ("provider", ModelSettings::new("", "m")),
        ("model", ModelSettings::new("groq", " ")),
        (
            "temperature",
            ModelSettings {
                temperature: Some(f64::NAN),
                ..settings()
            },
        ),
        (
            "top_p",
            ModelSettings {
                top_p: Some(0.0),
                ..settings()
            },
        ),
        (
            "max_tokens",
            ModelSettings {
                max_tokens: Some(0),
                ..settings()
            },
        ),
        (
            "max_attempts",
            ModelSettings {
                max_attempts: Some(0),
                ..settings()
            },
        ),
        (
            "timeout_seconds",
            ModelSettings {
                timeout_seconds: Some(-1.0),
                ..settings()
            },
        ),
        (
            "extra",
            ModelSettings {
                extra: json!({"stream": true}).as_object().unwrap().clone(),
                ..settings()
            },
        ),
    ];
    for (name, settings) in bad {
        let error = models(&server)
            .connect(&settings, &IndexMap::new(), &[])
            .unwrap_err();
        assert!(
            matches!(error, ModelSetupError::Setting { setting, .. } if setting == name),
            "{name}: {error}"
        );
    }
    let mut prices = prices();
    prices[0].prompt_usd_per_million = -1.0;
    let error = models(&server)
        .connect(&settings(), &IndexMap::new(), &prices)
        .unwrap_err();
    assert!(error.to_string().contains("prices"), "{error}");
}
