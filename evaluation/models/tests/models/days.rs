//! The cost of a day of a key, over processes that name the same folder.

use std::sync::Arc;

use gepa_evaluation::{LanguageModel, ModelErrorKind};
use gepa_models::{ChatModel, ModelSettings, ModelSetupError, ProviderSettings, end_of_day_in};
use gepa_testing::ModelServer;
use indexmap::IndexMap;
use tempfile::TempDir;

use crate::support::{models, prices, providers, request, settings};

fn a_day_of(dollars: f64) -> IndexMap<String, ProviderSettings> {
    providers(ProviderSettings {
        dollars_per_day: Some(dollars),
        ..ProviderSettings::default()
    })
}

/// A model of a process of its own.
fn process(server: &ModelServer, folder: &TempDir, dollars: f64) -> Arc<ChatModel> {
    let models = models(server);
    models.keep_limits_in(folder.path().join("limits"));
    models
        .connect(&settings(), &a_day_of(dollars), &prices())
        .unwrap()
}

#[tokio::test]
async fn processes_spend_a_day_together_and_a_new_one_knows_what_was_spent() {
    let server = ModelServer::echoing().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dollars = 0.002;
    let both = [(); 2].map(|()| process(&server, &folder, dollars));
    let mut spent = 0;
    let mut ends = Vec::new();
    for model in &both {
        loop {
            match model.complete(request("hi")).await {
                Ok(completion) => spent += completion.usage.cost.0,
                Err(error) => break ends.push(error),
            }
        }
    }
    assert!(spent > 1_000 && spent <= 2_000, "{spent}");
    let calls = server.ledger().calls_received;
    for error in ends {
        assert!(error.message.contains("00:00 UTC"), "{}", error.message);
        // The test may run over midnight.
        let told = end_of_day_in(&error.message).unwrap();
        let known = error.kind.goes_on_at().unwrap();
        assert!(told - known <= 86_400 && known % 86_400 == 0, "{known}");
        assert_eq!(error.clone().into_failure().goes_on_at, Some(known));
        assert!(error.usage.is_zero());
    }
    drop(both);
    let later = process(&server, &folder, dollars);
    let refused = later.complete(request("hi")).await.unwrap_err();
    assert!(matches!(refused.kind, ModelErrorKind::DayUsedUp { .. }));
    assert_eq!(
        server.ledger().calls_received,
        calls,
        "nothing goes out any more"
    );
    let raised = process(&server, &folder, 2.0 * dollars);
    drop(later);
    assert!(raised.complete(request("hi")).await.is_ok());
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_where_a_day_is_limited() {
    let server = ModelServer::echoing().start().await.unwrap();
    let settings = ModelSettings::new("groq", "unheard-of");
    let refused = models(&server).connect(&settings, &a_day_of(1.0), &prices());
    let error = refused.unwrap_err();
    assert!(
        matches!(&error, ModelSetupError::Unpriced { model, .. } if model == "unheard-of"),
        "{error}"
    );
    assert!(error.to_string().contains("[[prices]]"));
}
