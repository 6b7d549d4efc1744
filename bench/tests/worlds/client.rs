//! A plain client of the world server, without retries or limits.

use gepa_bench::worlds::{Family, WorldServer};
use gepa_evaluation::Message;
use reqwest::{Client, Response};
use serde_json::{Value, json};

/// Calls one run's models.
pub(crate) struct Caller {
    pub(crate) http: Client,
    root: String,
    world: String,
    run: String,
}

impl Caller {
    pub(crate) fn new(server: &WorldServer, family: Family, seed: u64, run: &str) -> Self {
        // This fails only if another test has installed it already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            root: format!("http://{}", server.address()),
            world: format!("w/{family}/{seed}"),
            run: run.to_owned(),
        }
    }

    /// A path below the world.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}/{}/{path}", self.root, self.world);
        let reply = self.http.get(url).send().await.unwrap();
        reply.json().await.unwrap()
    }

    /// `POST` below the server's root.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        let url = format!("{}/{path}", self.root);
        self.http.post(url).json(body).send().await.unwrap()
    }

    /// The exact score of a prompt.
    pub(crate) async fn score(&self, prompt: &str) -> Value {
        let path = format!("{}/score", self.world);
        let reply = self.post(&path, &json!({"prompt": prompt})).await;
        reply.json().await.unwrap()
    }

    /// A chat, as it comes back.
    pub(crate) async fn chat(
        &self,
        model: &str,
        messages: &[Message],
    ) -> Result<Response, reqwest::Error> {
        let url = format!(
            "{}/{}/{}/v1/chat/completions",
            self.root, self.world, self.run
        );
        let body = json!({"model": model, "messages": messages});
        self.http.post(url).json(&body).send().await
    }

    /// A chat that is expected to be answered.
    pub(crate) async fn answer(&self, model: &str, messages: &[Message]) -> (String, Value) {
        let reply = self.chat(model, messages).await.unwrap();
        assert_eq!(reply.status(), 200);
        let body: Value = reply.json().await.unwrap();
        let text = body["choices"][0]["message"]["content"].as_str().unwrap();
        (text.to_owned(), body["usage"].clone())
    }

    pub(crate) async fn ledger(&self) -> Value {
        self.get(&format!("{}/ledger", self.run)).await
    }
}

/// The chat of one rollout.
pub(crate) fn rollout(prompt: &str, input: &str) -> Vec<Message> {
    vec![Message::new("system", prompt), Message::new("user", input)]
}
