//! Checks that the score of a sheet of rules rises when only reflection prompts change it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "the curves are the point")]

mod search;

use std::path::{Path, PathBuf};

use gepa_tasks::dataset::{DatasetSettings, SetSettings, SplitSettings};
use search::{Climb, Task, climb, mean};

const HEART_FIELDS: &str = "age: {age}\nsex: {sex}\ncp: {cp}\ntrestbps: {trestbps}\nchol: {chol}\nfbs: {fbs}\nrestecg: {restecg}\nthalach: {thalach}\nexang: {exang}\noldpeak: {oldpeak}\nslope: {slope}\nca: {ca}\nthal: {thal}";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn split(train: usize, pareto: usize, validation: usize) -> SplitSettings {
    let set = |count| SetSettings {
        count: Some(count),
        ..SetSettings::default()
    };
    SplitSettings {
        seed: 0,
        stratify: true,
        stratify_by: None,
        train: set(train),
        pareto: set(pareto),
        validation: set(validation),
    }
}

/// Searches with as many seeds as `CLIMB_SEEDS` says, and prints the mean scores.
async fn curves(name: &str, task: &Task) -> (f64, f64, f64) {
    let seeds = std::env::var("CLIMB_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(1);
    let mut climbs: Vec<Climb> = Vec::new();
    for seed in 0..seeds {
        climbs.push(climb(task, seed).await);
    }
    let of = |pick: fn(&Climb) -> f64| mean(&climbs.iter().map(pick).collect::<Vec<f64>>());
    let result = (
        of(|climb| climb.seed_validation),
        of(|climb| climb.best_pareto),
        of(|climb| climb.validation),
    );
    println!(
        "{name}: seed {:.3}, best pareto {:.3}, validation {:.3}; {:.1} candidates, {:.1} proposals; validation by seed {:?}",
        result.0,
        result.1,
        result.2,
        of(|climb| climb.candidates as f64),
        of(|climb| climb.proposals as f64),
        climbs
            .iter()
            .map(|climb| (climb.validation * 1000.0).round() / 1000.0)
            .collect::<Vec<f64>>(),
    );
    if std::env::var_os("CLIMB_PROMPTS").is_some() {
        println!("{}", climbs[0].best_prompt);
    }
    result
}

#[tokio::test]
async fn heart_disease_rises_from_guessing_to_a_useful_scorecard() {
    let task = Task {
        settings: DatasetSettings {
            answer: Some("diagnosis".to_owned()),
            split: split(100, 100, 103),
            ..DatasetSettings::for_path("configs/data/heart_disease.csv")
        },
        base: workspace(),
        seed_prompt: "Decide from the findings whether the patient has heart disease.\nAnswer with one word: `disease` or `no_disease`.",
        user_pattern: HEART_FIELDS,
        rollouts: 2500,
        minibatch: 8,
    };
    let (seed, _, validation) = curves("heart disease", &task).await;
    assert!(seed < 0.56);
    assert!(validation >= 0.74, "validation {validation}");
}

/// A file of the optional folder of public data sets; `None` after a word about it if it is not there.
fn shared(file: &str) -> Option<PathBuf> {
    gepa_testing::optional_data("SHARED_DATASETS", "datasets", file)
}

#[tokio::test]
async fn spam_rules_grow_out_of_misjudged_messages() {
    let Some(path) = shared("sms_spam/sms.tsv") else {
        return;
    };
    let task = Task {
        settings: DatasetSettings {
            columns: Some(vec!["label".to_owned(), "text".to_owned()]),
            answer: Some("label".to_owned()),
            split: split(300, 150, 1000),
            ..DatasetSettings::for_path(path.to_string_lossy())
        },
        base: PathBuf::new(),
        seed_prompt: "Say whether a text message is `spam` or `ham`. Answer with that one word.",
        user_pattern: "{text}",
        rollouts: 3000,
        minibatch: 8,
    };
    let (seed, _, validation) = curves("sms spam", &task).await;
    assert!(seed < 0.2);
    assert!(validation >= 0.93, "validation {validation}");
}

#[tokio::test]
async fn question_types_are_told_apart_far_better_than_by_the_seed() {
    let Some(path) = shared("trec/TREC.train") else {
        return;
    };
    let text: String = std::fs::read(path)
        .unwrap()
        .into_iter()
        .map(char::from)
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let (label, question) = line.split_once(' ')?;
            let coarse = label.split(':').next()?;
            Some(serde_json::json!({"question": question, "answer": coarse}).to_string())
        })
        .collect();
    std::fs::write(folder.path().join("trec.jsonl"), rows.join("\n")).unwrap();
    let task = Task {
        settings: DatasetSettings {
            split: split(400, 150, 500),
            ..DatasetSettings::for_path("trec.jsonl")
        },
        base: folder.path().to_owned(),
        seed_prompt: "What kind of answer does the question ask for? Answer `ABBR`, `DESC`, `ENTY`, `HUM`, `LOC` or `NUM`.",
        user_pattern: "question: {question}",
        rollouts: 3000,
        minibatch: 8,
    };
    let (seed, _, validation) = curves("trec", &task).await;
    assert!(seed < 0.2);
    assert!(validation >= 0.4, "validation {validation}");
}

#[tokio::test]
async fn ten_banking_intents_are_learned() {
    let Some(path) = shared("banking77/train.csv") else {
        return;
    };
    let intents = [
        "card_arrival",
        "lost_or_stolen_card",
        "exchange_rate",
        "top_up_failed",
        "passcode_forgotten",
        "age_limit",
        "terminate_account",
        "transfer_timing",
        "declined_card_payment",
        "atm_support",
    ];
    let only = intents.map(str::to_owned).to_vec();
    let task = Task {
        settings: DatasetSettings {
            answer: Some("category".to_owned()),
            only: [("category".to_owned(), only)].into_iter().collect(),
            split: split(300, 150, 500),
            ..DatasetSettings::for_path(path.to_string_lossy())
        },
        base: PathBuf::new(),
        seed_prompt: "Name the intent of the customer's message with one of the labels you know.",
        user_pattern: "text: {text}",
        rollouts: 3000,
        minibatch: 8,
    };
    let (seed, _, validation) = curves("banking, ten intents", &task).await;
    assert!(seed < 0.2);
    // Ten seeds gave 0.60 to 0.73. A single seed must reach a value below all of them.
    assert!(validation >= 0.55, "validation {validation}");
}
