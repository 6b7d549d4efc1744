//! A server with a key for each role: `read`, `abc` for the role `submit`, and `root` for all.

use std::sync::Arc;
use std::time::Duration;

use gepa_server::ServerSettings;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Answer, JOBS, ask};
use crate::world::{Ledger, Listening, listen, memory, quick, submission};

/// The SHA-256 of `abc` and of `read`.
const KEYS: &str = r#"
[[keys]]
name = "ci"
role = "submit"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[[keys]]
name = "eye"
role = "read"
sha256 = "3316348dbadfb7b11c7c2ea235949419e23f9fa898ad2c198f999617912a9925"
"#;

pub(crate) struct Keyed {
    server: Listening,
    /// Holds the file of keys.
    _folder: TempDir,
}

impl Keyed {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let keys = folder.path().join("keys.toml");
        std::fs::write(&keys, KEYS).unwrap();
        let settings = ServerSettings {
            api_key: Some("root".to_owned()),
            keys_file: Some(keys),
            ..quick()
        };
        Self {
            server: listen(memory(), &Arc::<Ledger>::default(), settings).await,
            _folder: folder,
        }
    }

    /// Sends a request with this key.
    pub(crate) async fn ask(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let header = format!("Authorization: Bearer {key}\r\n");
        let body = body.map(|body| body.to_string());
        ask(self.server.address, method, path, &header, body.as_deref()).await
    }

    /// The id of a job that the key `abc` submitted and that has succeeded.
    pub(crate) async fn finished_job(&self, script: Value) -> String {
        let job = self
            .ask("abc", "POST", JOBS, Some(submission(script)))
            .await;
        let job = job.json()["job_id"].as_str().unwrap().to_owned();
        let detail = format!("{JOBS}/{job}");
        while self.ask("root", "GET", &detail, None).await.json()["status"] != "succeeded" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        job
    }
}
