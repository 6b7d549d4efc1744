//! Only a complete new text becomes a prompt. Every other reply gets a complaint as its answer.

use std::sync::{Arc, Mutex};

use gepa_engine::record::RunStatus;
use gepa_engine::{CloseReason, ReflectionFailureKind as Kind, Run, RunEnd, StopReason};
use gepa_evaluation::{Completion, FinishReason, Usage};
use gepa_testing::ScriptedModel;

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{Finished, World, memory, rewritten};

fn completion(text: String, finish_reason: FinishReason) -> Completion {
    Completion {
        text,
        reasoning: None,
        finish_reason,
        tool_calls: Vec::new(),
        usage: Usage {
            calls: 1,
            ..Usage::default()
        },
    }
}

async fn reflecting(world: &World, model: ScriptedModel) -> Finished {
    let store = memory();
    let builder = Run::builder(world.config()).store(Arc::clone(&store));
    let builder = builder
        .evaluator(Probe::new().shared())
        .reflection_model(Arc::new(model));
    let result = builder.start().await.unwrap().finish().await.unwrap();
    check_sums(&store, &result).await;
    Finished { store, result }
}

#[tokio::test]
async fn bad_replies_are_complained_about_until_a_good_one_comes() {
    let mut world = World::new();
    world.settings.reflection.max_attempts = 4;
    world.settings.budget.max_iterations = Some(1);
    let prompts = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&prompts);
    let model = ScriptedModel::new(move |request| {
        let mut prompts = asked.lock().unwrap();
        prompts.push(request.messages[0].content.clone());
        let good = rewritten(&request.messages[0].content);
        Ok(match prompts.len() {
            1 => completion("POISON without a fence".to_owned(), FinishReason::Stop),
            2 => completion("```\nPOISON cut off\n```".to_owned(), FinishReason::Length),
            3 => completion(
                "```\nPOISON declined\n```".to_owned(),
                FinishReason::Refusal,
            ),
            _ => completion(good, FinishReason::Stop),
        })
    });
    let finished = reflecting(&world, model).await;
    let run = &finished.result.run.run_id;
    let rows = finished.store.reflections(run).await.unwrap();
    let kinds: Vec<_> = rows
        .iter()
        .map(|row| row.failure.as_ref().map(|f| f.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            Some(Kind::NoFence),
            Some(Kind::Truncated),
            Some(Kind::Refused),
            None
        ]
    );
    let prompts = prompts.lock().unwrap().clone();
    assert!(!prompts[0].contains("could not be used"));
    assert!(
        prompts[1..]
            .iter()
            .all(|prompt| prompt.contains("could not be used"))
    );
    let candidates = finished.store.candidates(run).await.unwrap();
    assert_eq!(candidates.len(), 2);
    let texts = candidates
        .iter()
        .flat_map(|row| row.components.components().values());
    assert!(texts.into_iter().all(|text| !text.contains("POISON")));
}

#[tokio::test]
async fn a_run_whose_every_reflection_fails_is_a_failed_run() {
    let world = World::new();
    let model = ScriptedModel::answering(|_| "I would rather not".to_owned());
    let finished = reflecting(&world, model).await;
    assert_eq!(finished.result.run.summary.status, RunStatus::Failed);
    let RunEnd::Finished(StopReason::ReflectionFailures {
        iterations,
        accepted,
        message,
    }) = &finished.result.end
    else {
        panic!("{:?}", finished.result.end)
    };
    assert_eq!((*iterations, *accepted), (10, 0));
    assert!(message.contains("fences"));
    assert_eq!(finished.result.run.summary.counters.trials_tried, 1);
}

#[tokio::test]
async fn a_run_without_any_usable_text_has_failed_whatever_ended_it() {
    let mut world = World::new();
    world.settings.budget.max_iterations = Some(3);
    let model = ScriptedModel::answering(|_| "<new>no block</new>".to_owned());
    let finished = reflecting(&world, model).await;
    let summary = &finished.result.run.summary;
    assert_eq!(summary.status, RunStatus::Failed);
    let RunEnd::Finished(StopReason::ReflectionFailures { message, .. }) = &finished.result.end
    else {
        panic!("{:?}", finished.result.end)
    };
    assert!(message.contains("<new>"), "{message}");
    let endings = summary.endings.as_ref().unwrap();
    assert_eq!(endings.closed_by(CloseReason::Reflection), 3);
    assert_eq!(
        (endings.replies_refused(), endings.refused[&Kind::NoFence]),
        (3, 3)
    );
}

#[tokio::test]
async fn every_proposal_ends_in_one_way_that_is_counted() {
    let finished = World::new().finish(Probe::new().shared()).await;
    let summary = &finished.result.run.summary;
    let endings = summary.endings.as_ref().unwrap();
    assert_eq!(endings.total(), summary.counters.iterations);
    assert_eq!(endings.accepted + 1, summary.counters.candidates_accepted);
    assert!(endings.closed_by(CloseReason::Gate) > 0);
    assert_eq!(
        endings.texts + endings.replies_refused(),
        summary.counters.reflection_calls
    );
}
