//! The twin in process is the server without HTTP.

use std::sync::Arc;
use std::time::Duration;

use gepa_archive::Candidate;
use gepa_bench::worlds::{
    Conditions, Family, Search, Split, World, WorldEvaluator, WorldServer, twins,
};
use gepa_engine::Settings;
use gepa_evaluation::{
    ChatRequest, Evaluator, LanguageModel, Message, Purpose, RolloutRequest, Stage,
};
use tokio::time::Instant;

use crate::client::{Caller, rollout};

#[tokio::test]
async fn twin_and_server_give_the_same_answers_and_usage() {
    let server = WorldServer::start().await.unwrap();
    for family in Family::all() {
        let caller = Caller::new(&server, family, 7, "twin");
        let world = Arc::new(World::new(family, 7));
        let (evaluator, reflector) = twins(Arc::clone(&world), Conditions::default());
        let prompt = format!("{}\n- {}", world.seed_prompt(), world.hidden_rules()[1]);
        // Twice, so that noisy families draw anew.
        for item in world.items(Split::Train)[..20]
            .iter()
            .chain(&world.items(Split::Train)[..20])
        {
            let (text, usage) = caller
                .answer("policy", &rollout(&prompt, &item.input))
                .await;
            let ours = evaluator.evaluate(request(&prompt, &item.id)).await;
            let scored = ours.outcome.scored().unwrap();
            assert_eq!(scored.output.as_deref(), Some(text.as_str()), "{family}");
            assert_eq!(usage["prompt_tokens"], ours.usage.prompt_tokens);
            assert_eq!(usage["completion_tokens"], ours.usage.completion_tokens);
            assert_eq!(scored.score == 1.0, text == item.answer);
        }
        let item = &world.items(Split::Train)[3];
        let text = format!(
            "```\n{prompt}\n```\n{}\n{}",
            item.input, item.feedback_wrong
        );
        let messages = vec![Message::new("user", text)];
        for _ in 0..5 {
            let (text, usage) = caller.answer("reflector", &messages).await;
            let ours = reflector.complete(chat(&messages)).await.unwrap();
            assert_eq!(ours.text, text, "{family}");
            assert_eq!(usage["completion_tokens"], ours.usage.completion_tokens);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn latencies_pass_in_virtual_time_with_the_configured_mean() {
    let conditions = Conditions {
        policy_ms: 2_000.0,
        policy_sigma: 0.6,
        ..Conditions::default()
    };
    let world = Arc::new(World::new(Family::Additive, 1));
    let (evaluator, _) = twins(Arc::clone(&world), conditions);
    let began = Instant::now();
    let items = world.items(Split::Pareto);
    for item in items {
        evaluator.evaluate(request("Sort.", &item.id)).await;
    }
    let mean = began.elapsed() / items.len() as u32;
    // Four standard errors of 500 log-normal draws.
    assert!(
        (Duration::from_millis(1_750)..Duration::from_millis(2_250)).contains(&mean),
        "{mean:?}"
    );
    let again = Instant::now();
    evaluator.evaluate(request("Sort.", "P-0001")).await;
    let (other, _) = twins(
        world,
        Conditions {
            policy_ms: 2_000.0,
            policy_sigma: 0.6,
            ..Conditions::default()
        },
    );
    let second = again.elapsed();
    let first = elapsed(&other, "P-0001").await;
    assert_ne!(first, second, "a repeated call has another latency");
    assert_eq!(
        elapsed(&other, "P-0001").await,
        second,
        "which depends on the attempt alone"
    );
}

#[tokio::test]
async fn a_search_in_a_world_is_the_same_every_time_and_finds_rules() {
    let world = Arc::new(World::new(Family::Additive, 2));
    let search = Search {
        world: Arc::clone(&world),
        conditions: Conditions::default(),
        settings: {
            let mut settings = Settings::default();
            settings.budget.max_rollouts = Some(600);
            settings
        },
        train: 60,
        pareto: 50,
        validation: 0,
    };
    let texts = async || {
        let searched = search.finish().await.unwrap();
        let best = searched.result.best.unwrap();
        best.components.text("instruction").unwrap().to_string()
    };
    let first = texts().await;
    assert_eq!(first, texts().await);
    assert!(world.read(&first).right_rules() > 0, "{first}");
}

async fn elapsed(evaluator: &WorldEvaluator, id: &str) -> Duration {
    let began = Instant::now();
    evaluator.evaluate(request("Sort.", id)).await;
    began.elapsed()
}

fn chat(messages: &[Message]) -> ChatRequest {
    ChatRequest {
        messages: messages.to_vec(),
        purpose: Purpose::Reflection,
    }
}

fn request(prompt: &str, id: &str) -> RolloutRequest {
    RolloutRequest {
        candidate: Arc::new(Candidate::new([("instruction", prompt)]).unwrap()),
        example: id.into(),
        run_id: "run".into(),
        trial_id: "trial".into(),
        stage: Stage::Pareto,
        iteration: 1,
        trial_index: 0,
        attempt: 1,
    }
}
