//! A small deterministic world. Longer texts score better, and every answer depends on its question
//! alone.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_engine::config::{Evaluation, Settings};
use gepa_engine::{
    Config, Event, EventBody, ExampleSets, Run, RunBuilder, RunId, RunResult, Seq, Store,
};
use gepa_evaluation::{
    Evaluator, ExampleId, LanguageModel, Outcome, PromptMessage, PromptTemplate, RolloutRequest,
    Scored,
};
use gepa_testing::ScriptedModel;

/// The parts of a run, before it is started.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) components: Vec<(&'static str, &'static str)>,
    pub(crate) sets: ExampleSets,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            settings: {
                let mut settings = Settings::default();
                // Figures of whole rows can be checked by hand.
                settings.search.evaluation = Evaluation::Full;
                settings.run.seed = 3;
                settings.rollouts.backoff_seconds = 0.001;
                settings.reflection.max_attempts = 1;
                settings.budget.max_rollouts = Some(300);
                settings
            },
            components: vec![("plan", "a"), ("act", "b")],
            sets: ExampleSets {
                train: ids(0, 20),
                pareto: ids(100, 8),
                validation: ids(200, 6),
            },
        }
    }

    pub(crate) fn config(&self) -> Config {
        let seed = Candidate::new(self.components.clone()).unwrap();
        let messages = self.components.iter().map(|(name, text)| PromptMessage {
            role: "system".to_owned(),
            component: Some((*name).to_owned()),
            pattern: (*text).to_owned(),
        });
        let prompt = PromptTemplate {
            messages: messages.collect(),
        };
        Config::new(seed, prompt, self.sets.clone(), self.settings.clone()).unwrap()
    }

    /// A builder with all parts, for starting and for resuming.
    pub(crate) fn builder(
        &self,
        store: &Arc<dyn Store>,
        evaluator: Arc<dyn Evaluator>,
    ) -> RunBuilder {
        Run::builder(self.config())
            .store(Arc::clone(store))
            .evaluator(evaluator)
            .reflection_model(rewriter())
    }

    /// Runs to the end in a new store.
    pub(crate) async fn finish(&self, evaluator: Arc<dyn Evaluator>) -> Finished {
        let store = memory();
        let handle = self.builder(&store, evaluator).start().await.unwrap();
        let result = handle.finish().await.unwrap();
        Finished { store, result }
    }
}

/// A run that is over, and its store.
pub(crate) struct Finished {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) result: RunResult,
}

impl Finished {
    pub(crate) async fn journal(&self) -> Vec<Event> {
        journal(&self.store, &self.result.run.run_id).await
    }
}

pub(crate) fn memory() -> Arc<dyn Store> {
    gepa_store::open("memory:").unwrap()
}

pub(crate) async fn journal(store: &Arc<dyn Store>, run: &RunId) -> Vec<Event> {
    store.events(run, Seq(0), usize::MAX).await.unwrap()
}

/// Every decision as text, sorted, because proposals in flight may make theirs in any order.
pub(crate) fn decisions(journal: &[Event]) -> Vec<String> {
    let bodies = journal
        .iter()
        .map(|event| &event.body)
        .filter(|body| !body.is_fact());
    let mut texts: Vec<String> = bodies
        .map(|body| serde_json::to_string(body).unwrap())
        .collect();
    texts.sort();
    texts
}

pub(crate) fn count(journal: &[Event], wanted: impl Fn(&EventBody) -> bool) -> usize {
    journal.iter().filter(|event| wanted(&event.body)).count()
}

pub(crate) fn ids(from: u64, count: u64) -> Vec<ExampleId> {
    (from..from + count).map(ExampleId::Seed).collect()
}

pub(crate) fn hash(text: &str) -> u64 {
    let digest = blake3::hash(text.as_bytes());
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap())
}

/// The world's judgement of a candidate on an example, with two objectives.
pub(crate) fn judge(request: &RolloutRequest) -> Outcome {
    let candidate = &request.candidate;
    let noise = hash(&format!("{:?}{}", candidate.content_id(), request.example));
    let length: usize = candidate.components().values().map(|text| text.len()).sum();
    let threshold = 20 + 3 * length.min(20) as u64;
    let score = f64::from(u8::from(noise % 100 < threshold));
    Outcome::Scored(Scored {
        score,
        objectives: [("right".into(), score), ("short".into(), -(length as f64))].into(),
        ..Scored::default()
    })
}

/// The new text that the world's reflection model returns for a prompt.
pub(crate) fn rewritten(prompt: &str) -> String {
    let noise = hash(prompt);
    format!(
        "```\n{}{:x}\n```",
        "x".repeat((noise % 9) as usize),
        noise % 4096
    )
}

pub(crate) fn rewriter() -> Arc<dyn LanguageModel> {
    Arc::new(ScriptedModel::answering(|request| {
        let prompt = &request.messages[0].content;
        if prompt.contains("Write 2 versions") {
            let other = rewritten(&format!("{prompt} again"));
            return format!("{}\n{other}", rewritten(prompt));
        }
        rewritten(prompt)
    }))
}
