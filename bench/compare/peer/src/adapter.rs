//! The task as the crate wants it: one call of the policy per example, as many at once as there are
//! slots. Inside one `evaluate` is the only place where the crate leaves room for that.

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use gepa::{Candidate, EvaluationBatch, GEPAAdapter, GEPAError, ReflectiveDataset, Result};
use reqwest::Client;
use serde_json::{Value, json};

use crate::task::{Item, Settings};

/// Calls a world's policy and judges its replies.
pub(crate) struct WorldAdapter {
    client: Client,
    url: String,
    slots: usize,
    component: String,
}

/// What reflection is shown of one rollout.
#[derive(Clone)]
pub(crate) struct Trace {
    input: String,
    reply: String,
    feedback: String,
}

impl WorldAdapter {
    pub(crate) fn new(settings: &Settings, component: &str) -> std::result::Result<Self, String> {
        let client = Client::builder()
            .pool_max_idle_per_host(settings.slots)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            url: format!("{}/v1/chat/completions", settings.base),
            slots: settings.slots,
            component: component.to_owned(),
        })
    }

    async fn reply(&self, prompt: &str, input: &str) -> Result<String> {
        let body = json!({
            "model": "policy",
            "temperature": 0.0,
            "messages": [
                {"role": "system", "content": prompt},
                {"role": "user", "content": input},
            ],
        });
        let response = self.client.post(&self.url).json(&body).send().await?;
        let answer: Value = response.error_for_status()?.json().await?;
        let content = answer["choices"][0]["message"]["content"].as_str();
        let content = content.ok_or_else(|| GEPAError::Evaluation("no content".to_owned()))?;
        Ok(content.trim().to_owned())
    }
}

#[async_trait]
impl GEPAAdapter<Item, Trace, String> for WorldAdapter {
    async fn evaluate(
        &self,
        batch: &[Item],
        candidate: &Candidate,
        capture_traces: bool,
    ) -> Result<EvaluationBatch<Trace, String>> {
        let prompt = candidate.get(&self.component).cloned().unwrap_or_default();
        let calls: Vec<_> = batch
            .iter()
            .map(|item| self.reply(&prompt, &item.input))
            .collect();
        let replies: Vec<String> = stream::iter(calls)
            .buffered(self.slots)
            .try_collect()
            .await?;
        let is_right: Vec<bool> = batch
            .iter()
            .zip(&replies)
            .map(|(item, reply)| *reply == item.answer)
            .collect();
        let scores = is_right.iter().map(|right| f64::from(u8::from(*right)));
        let evaluated = EvaluationBatch::new(replies.clone(), scores.collect());
        if !capture_traces {
            return Ok(evaluated);
        }
        let traces = batch.iter().zip(replies).zip(is_right);
        let traces = traces.map(|((item, reply), right)| Trace {
            input: item.input.clone(),
            reply,
            feedback: if right {
                item.feedback_right.clone()
            } else {
                item.feedback_wrong.clone()
            },
        });
        Ok(evaluated.with_trajectories(traces.collect()))
    }

    async fn make_reflective_dataset(
        &self,
        _candidate: &Candidate,
        eval_batch: &EvaluationBatch<Trace, String>,
        components_to_update: &[String],
    ) -> Result<ReflectiveDataset> {
        let traces = eval_batch.trajectories.as_deref().unwrap_or_default();
        let records: Vec<Value> = traces
            .iter()
            .map(|trace| {
                json!({
                    "Inputs": trace.input,
                    "Generated Outputs": trace.reply,
                    "Feedback": trace.feedback,
                })
            })
            .collect();
        let shown = components_to_update.iter();
        Ok(shown.map(|name| (name.clone(), records.clone())).collect())
    }
}
