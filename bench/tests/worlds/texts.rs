//! The tasks on real texts. They need the collections and say so where these are missing.

use std::sync::Arc;

use gepa_bench::searching::{COMPONENT, TaskInProcess};
use gepa_bench::texts::{Corpus, Sizes, TextTask, twins};
use gepa_engine::Settings;
use gepa_evaluation::{ChatRequest, LanguageModel, Message, Purpose};

const SIZES: Sizes = Sizes {
    train: 100,
    pareto: 50,
    test: 400,
};

#[tokio::test]
async fn the_reflection_model_makes_rules_only_from_texts_it_is_shown() {
    let Some(task) = task(Corpus::Trec) else {
        return;
    };
    let (_, reflector) = twins(Arc::clone(&task));
    let ask = async |feedback: &str| {
        let text = format!("```\n{}\n```\n{feedback}", task.seed_prompt());
        let request = ChatRequest {
            messages: vec![Message::new("user", text)],
            purpose: Purpose::Reflection,
        };
        reflector.complete(request).await.unwrap().text
    };
    let nothing = ask("Right for T-0001.").await;
    assert!(!nothing.contains("vote for"), "{nothing}");
    let mut learnt = 0;
    for number in 1..=20 {
        let feedback =
            format!("Wrong for T-{number:04}: the reply was ENTY, the right label is NUM.");
        let reply = ask(&feedback).await;
        learnt += usize::from(reply.contains("vote for NUM."));
        assert!(!reply.contains("vote for HUM."), "{reply}");
    }
    assert!(learnt > 5, "{learnt}");
}

#[tokio::test]
async fn a_search_on_questions_finds_better_sheets() {
    let Some(task) = task(Corpus::Trec) else {
        return;
    };
    let (evaluator, reflector) = twins(Arc::clone(&task));
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(1_000);
    let search = TaskInProcess {
        seed_prompt: task.seed_prompt().to_owned(),
        sets: task.sets(50),
        evaluator: Arc::new(evaluator),
        reflector: Arc::new(reflector),
    };
    let searched = search.search(settings, |_| {}).await.unwrap();
    let best = searched.result.best.unwrap();
    let prompt = best.components.text(COMPONENT).unwrap();
    let (before, after) = (task.true_score(task.seed_prompt()), task.true_score(prompt));
    assert!(after > before + 0.03, "{before} {after}: {prompt}");
}

fn task(corpus: Corpus) -> Option<Arc<TextTask>> {
    let folder = gepa_testing::optional_data("SHARED_DATASETS", "datasets", "trec")?;
    let datasets = folder.parent()?;
    Some(Arc::new(
        TextTask::draw(corpus, datasets, 1, SIZES).unwrap(),
    ))
}
