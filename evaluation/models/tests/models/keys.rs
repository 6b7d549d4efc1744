//! The key appears nowhere but in the request that needs it.

use std::io;
use std::sync::{Arc, Mutex};

use gepa_evaluation::{LanguageModel, Purpose};
use gepa_models::{Environment, ModelSettings, Models};
use gepa_testing::{Fault, FaultPlan};
use indexmap::IndexMap;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{KEY, connect, echoing, environment, models, request, settings};

/// A log that can be read back.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_key_the_provider_repeats_is_not_passed_on() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // For the whole test program: whether a place logs at all is decided once for all its threads.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for status in [400, 401, 429, 500] {
        let fault = Fault::Status {
            status,
            retry_after: None,
            code: KEY.to_owned(),
            message: format!("wrong key {KEY} {}{KEY}", "x".repeat(260)),
        };
        let server = echoing(FaultPlan::none().from(0, fault)).await;
        let model = connect(&server, &settings());
        let body = json!({"model": "m", "messages": []});
        let failure = model.forward(&body, Purpose::Rollout).await.unwrap_err();
        let shown = format!("{failure} {failure:?} {model:?}");
        assert!(shown.contains("wrong key [key]"), "{shown}");
        // A key cut in half would leak as well.
        assert!(!shown.contains(&KEY[..8]), "{shown}");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("attempt failed"), "the log was captured");
    assert!(!log.contains(&KEY[..8]), "{log}");
}

#[tokio::test]
async fn nothing_prints_a_key() {
    let server = echoing(FaultPlan::none()).await;
    let models = models(&server);
    let model = models.connect(&settings(), &IndexMap::new(), &[]).unwrap();
    model.complete(request("hi")).await.unwrap();
    let shown = format!("{models:?} {model:?} {:?}", environment(&server));
    assert!(shown.contains("GROQ_API_KEY"), "{shown}");
    assert!(!shown.contains(&KEY[..8]), "{shown}");
}

#[tokio::test]
async fn setup_errors_name_variables_and_never_their_values() {
    let settings = ModelSettings::new("groq", "m");
    let connect = |variables: &[(&str, &str)]| {
        let models = Models::new(Environment::of(variables.iter().copied()));
        let error = models
            .connect(&settings, &IndexMap::new(), &[])
            .unwrap_err();
        format!("{error} / {error:?}")
    };
    assert!(connect(&[]).contains("set GROQ_API_KEY"));
    let unsendable = format!("{KEY}\u{7}");
    let bad_key = connect(&[("GROQ_API_KEY", &unsendable)]);
    assert!(bad_key.contains("the key in GROQ_API_KEY"), "{bad_key}");
    assert!(!bad_key.contains(&KEY[..8]), "{bad_key}");
    let with_password = format!("http://me:{KEY}@127.0.0.1/v1");
    let bad_url = connect(&[("GROQ_API_BASE", &with_password)]);
    assert!(bad_url.contains("GROQ_API_BASE"), "{bad_url}");
    assert!(!bad_url.contains(&KEY[..8]), "{bad_url}");
}
