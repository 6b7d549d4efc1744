//! Proposers other than a language model: their answers are facts, checked by the engine.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gepa_engine::config::ComponentSelection;
use gepa_engine::{
    EventBody, Fact, ReflectionFailureKind as Kind, ReflectionSettled, Run, RunEnd, StopReason,
    Store,
};
use gepa_evaluation::{
    MicroUsd, ProposalRequest, ProposedTexts, Proposer, ProposerError, ProposerErrorKind, Usage,
    UsageBound,
};

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{Finished, World, count, decisions, hash, journal, memory};

type Answer = dyn Fn(&ProposalRequest) -> Result<ProposedTexts, ProposerError> + Send + Sync;

/// Answers with a function of the request, and records its requests.
struct Scribe {
    answer: Box<Answer>,
    asked: Mutex<Vec<ProposalRequest>>,
}

impl Scribe {
    fn new(
        answer: impl Fn(&ProposalRequest) -> Result<ProposedTexts, ProposerError>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<ProposalRequest> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Proposer for Scribe {
    async fn propose(&self, request: ProposalRequest) -> Result<ProposedTexts, ProposerError> {
        self.asked.lock().unwrap().push(request.clone());
        tokio::task::yield_now().await;
        (self.answer)(&request)
    }

    fn usage_bound(&self, _: &ProposalRequest) -> Option<UsageBound> {
        Some(UsageBound {
            tokens: 10,
            cost: MicroUsd(0),
        })
    }
}

/// Costs ten tokens. The texts depend only on the parent and its records.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands where a proposer may fail"
)]
fn longer(request: &ProposalRequest) -> Result<ProposedTexts, ProposerError> {
    let texts = request.components.iter().map(|component| {
        let seen = (&request.candidate, &request.records, &component.name);
        let noise = hash(&format!("{seen:?}"));
        let text = |at: u32| format!("{}{at}", "x".repeat((noise >> at) as usize % 17 + 1));
        let texts = (0..request.texts).map(text).collect();
        (Arc::clone(&component.name), texts)
    });
    Ok(ProposedTexts {
        texts: texts.collect(),
        usage: ten_tokens(),
        reply: Some("thoughts".to_owned()),
        ..ProposedTexts::default()
    })
}

fn ten_tokens() -> Usage {
    Usage {
        calls: 1,
        prompt_tokens: 10,
        ..Usage::default()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands where a proposer may fail"
)]
fn only(name: &str, text: &str) -> Result<ProposedTexts, ProposerError> {
    Ok(ProposedTexts {
        texts: [(name.into(), vec![text.to_owned()])].into_iter().collect(),
        ..ProposedTexts::default()
    })
}

async fn finish(world: &World, proposer: &Arc<Scribe>) -> Finished {
    let finished = end(world, proposer).await;
    check_sums(&finished.store, &finished.result).await;
    finished
}

/// Resumes the run until it is over or cannot go on.
async fn end(world: &World, proposer: &Arc<Scribe>) -> Finished {
    let store = memory();
    let run = Run::builder(world.config())
        .store(Arc::clone(&store))
        .evaluator(Probe::new().shared())
        .proposer(Arc::clone(proposer) as _);
    let result = run.start().await.unwrap().finish().await.unwrap();
    Finished { store, result }
}

async fn reflections(finished: &Finished) -> Vec<ReflectionSettled> {
    let journal = finished.journal().await.into_iter();
    let settled = journal.filter_map(|event| match event.body {
        EventBody::Fact(Fact::ReflectionSettled(settled)) => Some(*settled),
        _ => None,
    });
    settled.collect()
}

#[tokio::test]
async fn one_call_rewrites_all_components_from_the_records_of_the_minibatch() {
    let mut world = World::new();
    world.settings.search.components = ComponentSelection::All;
    world.settings.budget.max_iterations = Some(6);
    let proposer = Scribe::new(longer);
    let finished = finish(&world, &proposer).await;
    let asked = proposer.asked();
    assert!(asked.len() > 2, "{}", asked.len());
    for request in &asked {
        let names = request.components.iter().map(|component| &*component.name);
        assert_eq!(names.collect::<Vec<_>>(), ["plan", "act"]);
        assert!(request.components.iter().all(|one| one.attempt == 1));
        assert_eq!((request.records.len(), request.texts), (3, 1));
        assert!(request.earlier.is_empty());
        let shown = request.records[0].headings("plan");
        assert_eq!(shown[0].0, "Feedback");
    }
    let rows = reflections(&finished).await;
    assert_eq!(rows.len(), 2 * asked.len(), "a fact for each component");
    for pair in rows.chunks(2) {
        assert_eq!(pair[0].iteration, pair[1].iteration);
        assert_eq!(pair[0].usage, ten_tokens());
        assert!(pair[1].usage.is_zero(), "the call is counted once");
        assert_eq!(pair[0].reply.as_deref(), Some("thoughts"));
        assert!(pair.iter().all(|row| row.text.is_some()));
    }
}

#[tokio::test]
async fn several_texts_become_hypotheses() {
    let mut world = World::new();
    world.settings.reflection.hypotheses = Some(2);
    world.settings.budget.max_iterations = Some(4);
    let proposer = Scribe::new(longer);
    let finished = finish(&world, &proposer).await;
    assert!(proposer.asked().iter().all(|request| request.texts == 2));
    let rows = reflections(&finished).await;
    assert!(
        rows.iter().any(|row| row.alternatives.len() == 1),
        "{rows:?}"
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_is_a_failure_with_its_reason_and_asked_again() {
    type Fault = fn(&ProposalRequest) -> Result<ProposedTexts, ProposerError>;
    let cases: [(Fault, Kind, &str); 8] = [
        (
            |_| only("story", "x"),
            Kind::Model,
            "rewrote `story`, which it was not asked to",
        ),
        (
            |_| Ok(ProposedTexts::default()),
            Kind::Empty,
            "gave no text for `plan`",
        ),
        (
            |_| only("plan", " \n"),
            Kind::Empty,
            "the new text is empty",
        ),
        (|_| only("plan", "a"), Kind::Unchanged, "is the present one"),
        (
            |_| only("plan", &"x".repeat(60)),
            Kind::TooLong,
            "60 characters, 50 are allowed",
        ),
        (
            |_| panic!("a bug in the proposer"),
            Kind::Model,
            "the proposer panicked",
        ),
        (
            |_| Err(ProposerError::new(ProposerErrorKind::Refused, "not today")),
            Kind::Refused,
            "not today",
        ),
        (
            |_| Err(ProposerError::new(ProposerErrorKind::Truncated, "cut off")),
            Kind::Truncated,
            "cut off",
        ),
    ];
    for (fault, kind, message) in cases {
        let mut world = World::new();
        world.settings.budget.max_iterations = Some(1);
        world.settings.reflection.max_attempts = 2;
        world.settings.reflection.max_text_chars = 50;
        let proposer = Scribe::new(move |request| match request.components[0].attempt {
            1 => fault(request),
            _ => longer(request),
        });
        let finished = finish(&world, &proposer).await;
        let rows = reflections(&finished).await;
        let failure = rows[0].failure.as_ref().unwrap();
        assert_eq!(failure.kind, kind, "{message}");
        assert!(failure.message.contains(message), "{}", failure.message);
        assert!(rows[1].text.is_some());
        let asked = proposer.asked();
        let complaint = asked[1].components[0].complaint.as_deref();
        assert_eq!(complaint, Some(failure.message.as_str()));
    }
}

#[tokio::test]
async fn a_key_that_is_refused_fails_the_run_and_a_provider_that_is_down_pauses_it() {
    let world = World::new();
    let refusing = Scribe::new(|_| {
        let kind = ProposerErrorKind::KeyRejected;
        Err(ProposerError::new(kind, "the key was refused"))
    });
    let finished = finish(&world, &refusing).await;
    let RunEnd::Finished(StopReason::ReflectionFailures { message, .. }) = finished.result.end
    else {
        panic!("{:?}", finished.result.end)
    };
    assert!(message.contains("the key was refused"), "{message}");
    let down = Scribe::new(|_| {
        let kind = ProposerErrorKind::ProviderDown;
        Err(ProposerError::new(kind, "nobody answers"))
    });
    let finished = end(&world, &down).await;
    assert!(
        matches!(&finished.result.end, RunEnd::Interrupted { provider_down: true, reason, .. }
            if reason == "nobody answers"),
        "{:?}",
        finished.result.end
    );
    assert_eq!(reflections(&finished).await, []);
}

#[tokio::test]
async fn limits_on_calls_and_tokens_hold_for_every_proposer() {
    let mut world = World::new();
    world.settings.budget.max_reflection_calls = Some(5);
    let finished = finish(&world, &Scribe::new(longer)).await;
    assert_eq!(finished.result.run.summary.counters.reflection_calls, 5);
    let mut world = World::new();
    world.settings.budget.max_tokens = Some(900);
    let finished = finish(&world, &Scribe::new(longer)).await;
    let RunEnd::Finished(StopReason::TokenBudget { used, .. }) = finished.result.end else {
        panic!("{:?}", finished.result.end)
    };
    assert!(used <= 900, "{used}");
}

#[tokio::test]
async fn a_resumed_run_asks_for_nothing_that_is_journaled() {
    let world = World::new();
    let whole = finish(&world, &Scribe::new(longer)).await;
    let store: Arc<dyn Store> = memory();
    let builder = |proposer: &Arc<Scribe>| {
        Run::builder(world.config())
            .store(Arc::clone(&store))
            .evaluator(Probe::new().shared())
            .proposer(Arc::clone(proposer) as _)
    };
    let first = Scribe::new(longer);
    let handle = builder(&first).start().await.unwrap();
    let mut events = handle.subscribe();
    let mut settled = 0;
    while let Ok(batch) = events.recv().await {
        settled += count(&batch, |body| {
            matches!(body, EventBody::Fact(Fact::ReflectionSettled(_)))
        });
        if settled >= 3 {
            break;
        }
    }
    handle.control().interrupt("test");
    let run = handle.run_id().clone();
    handle.finish().await.unwrap();
    let before = store.reflections(&run).await.unwrap().len();

    let second = Scribe::new(longer);
    let resumed = builder(&second).resume(run.clone()).await.unwrap();
    resumed.finish().await.unwrap();
    let after = store.reflections(&run).await.unwrap().len();
    assert_eq!(second.asked().len(), after - before);
    assert_eq!(
        decisions(&journal(&store, &run).await),
        decisions(&whole.journal().await)
    );
}
