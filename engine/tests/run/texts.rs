//! What the texts of components may become: refusals before a rollout is bought, the one attempt to shorten
//! a text, merges, texts from people and from callers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gepa_archive::Candidate;
use gepa_engine::config::{CopiedExamples, RewriteMode, Settings, TextSettings};
use gepa_engine::record::Endings;
use gepa_engine::{
    Config, EventBody, Fact, ReflectionFailureKind as Kind, ReflectionSettled, Run, RunError,
    SteeredBy, Steering, SteeringRefused, replay, steer_at_rest,
};
use gepa_evaluation::{
    ComponentRequest, Evaluation, Outcome, PlainPatterns, PromptTemplate, ProposalRequest,
    ProposedTexts, Proposer, ProposerError, Scored,
};
use gepa_testing::ScriptedModel;

use crate::probe::Probe;
use crate::world::{Finished, World, decisions, hash, judge, memory};

type Answer = dyn Fn(&ComponentRequest, &str) -> Vec<String> + Send + Sync;

/// An evaluator whose examples have long inputs.
fn with_inputs() -> Arc<Probe> {
    Probe::new()
        .answering(|request| {
            let Outcome::Scored(scored) = judge(request) else {
                unreachable!("the judge scores everything")
            };
            let text = format!(
                "what does one do with parcel {} when it rains",
                request.example
            );
            Evaluation::free(Outcome::Scored(Scored {
                trace: Some(serde_json::json!({"Inputs": {"question": text}})),
                ..scored
            }))
        })
        .shared()
}

/// Gives each component the texts that a function makes of its request and its present text.
struct Writer {
    answer: Box<Answer>,
    asked: Mutex<Vec<ComponentRequest>>,
}

impl Writer {
    fn new(
        answer: impl Fn(&ComponentRequest, &str) -> Vec<String> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            asked: Mutex::default(),
        })
    }
}

#[async_trait]
impl Proposer for Writer {
    async fn propose(&self, request: ProposalRequest) -> Result<ProposedTexts, ProposerError> {
        let texts = request.components.iter().map(|component| {
            self.asked.lock().unwrap().push(component.clone());
            let current = request.candidate.text(&component.name).unwrap();
            let texts = (self.answer)(component, current);
            (Arc::clone(&component.name), texts)
        });
        Ok(ProposedTexts {
            texts: texts.collect(),
            ..ProposedTexts::default()
        })
    }
}

fn demands(change: impl FnOnce(&mut TextSettings)) -> TextSettings {
    let mut settings = TextSettings::default();
    change(&mut settings);
    settings
}

fn world(name: &str, texts: TextSettings) -> World {
    let mut world = World::new();
    world.settings.texts.insert(name.to_owned(), texts);
    world.settings.reflection.max_attempts = 2;
    world.settings.budget.max_iterations = Some(1);
    world
}

fn config(world: &World) -> Config {
    let seed = Candidate::new(world.components.clone()).unwrap();
    let settings: Settings = world.settings.clone();
    let (prompt, sets) = (PromptTemplate::default(), world.sets.clone());
    Config::with_patterns(seed, prompt, sets, settings, Arc::new(PlainPatterns)).unwrap()
}

async fn finish(world: &World, writer: &Arc<Writer>) -> Finished {
    let store = memory();
    let run = Run::builder(config(world))
        .store(Arc::clone(&store))
        .evaluator(Probe::new().shared())
        .proposer(Arc::clone(writer) as _);
    let result = run.start().await.unwrap().finish().await.unwrap();
    let finished = Finished { store, result };
    let run = &finished.result.run.run_id;
    let verified = replay::verify(&*finished.store, run, &config(world)).await;
    verified.unwrap();
    finished
}

async fn reflections(finished: &Finished) -> Vec<ReflectionSettled> {
    let journal = finished.journal().await.into_iter();
    let settled = journal.filter_map(|event| match event.body {
        EventBody::Fact(Fact::ReflectionSettled(settled)) => Some(*settled),
        _ => None,
    });
    settled.collect()
}

fn endings(finished: &Finished) -> Endings {
    finished.result.run.summary.endings.clone().unwrap()
}

#[tokio::test]
async fn a_text_that_breaks_a_rule_is_refused_under_its_name_before_a_rollout_is_bought() {
    type Change = fn(&mut TextSettings);
    let cases: [(Change, &str, Kind); 4] = [
        (
            |texts| texts.frozen = vec!["keep".to_owned()],
            "use call",
            Kind::LostFrozen,
        ),
        (
            |texts| texts.required = vec!["call".to_owned()],
            "keep calls",
            Kind::LostRequired,
        ),
        (
            |texts| texts.forbidden = vec!["bad".to_owned()],
            "keep call, bad",
            Kind::Forbidden,
        ),
        (
            |texts| texts.max_tokens = Some(4),
            "keep call and a tail",
            Kind::TooLong,
        ),
    ];
    for (change, text, kind) in cases {
        let mut world = world("plan", demands(change));
        world.components = vec![("plan", "keep call")];
        let writer = Writer::new(move |_, _| vec![text.to_owned()]);
        let finished = finish(&world, &writer).await;
        let journal = finished.journal().await;
        let bought = |name: &str| decisions(&journal).iter().any(|one| one.contains(name));
        assert!(!bought("minibatch_child"), "{kind:?}");
        let endings = endings(&finished);
        assert_eq!(endings.refused[&kind], 2, "{kind:?}");
        let complaint = writer.asked.lock().unwrap()[1].complaint.clone();
        let rows = reflections(&finished).await;
        assert_eq!(complaint, Some(rows[0].failure.clone().unwrap().message));
    }
}

#[tokio::test]
async fn refused_texts_beside_a_usable_one_are_counted() {
    let mut world = world(
        "plan",
        demands(|texts| texts.forbidden = vec!["bad".to_owned()]),
    );
    world.components = vec![("plan", "a")];
    world.settings.reflection.hypotheses = Some(3);
    let texts = ["good", "bad", "very bad"];
    let writer = Writer::new(move |_, _| texts.map(str::to_owned).to_vec());
    let finished = finish(&world, &writer).await;
    let endings = endings(&finished);
    assert_eq!((endings.texts, endings.replies_refused()), (1, 0));
    assert_eq!(endings.texts_refused[&Kind::Forbidden], 2);
    assert_eq!(endings.fewer_texts, 2);
}

const AGAIN: [Option<Kind>; 3] = [Some(Kind::TooLong), Some(Kind::Empty), Some(Kind::TooLong)];

#[tokio::test]
async fn a_text_that_is_too_long_is_shortened_once() {
    let long = "a".repeat(41);
    let check = |short: &'static str, attempts: u32, expected: &'static [Option<Kind>]| {
        let long = long.clone();
        async move {
            let mut world = world("plan", demands(|texts| texts.max_tokens = Some(10)));
            world.components = vec![("plan", "a")];
            world.settings.reflection.max_attempts = attempts;
            let answer = long.clone();
            let writer = Writer::new(move |component, _| match &component.shorten {
                Some(text) => {
                    assert_eq!(**text, *answer);
                    vec![if short.is_empty() {
                        answer.clone()
                    } else {
                        short.to_owned()
                    }]
                }
                None => vec![answer.clone()],
            });
            let finished = finish(&world, &writer).await;
            let rows = reflections(&finished).await;
            let kinds: Vec<Option<Kind>> = rows
                .iter()
                .map(|row| row.failure.as_ref().map(|failure| failure.kind))
                .collect();
            assert_eq!(kinds, expected);
            assert_eq!(rows[0].overlong.as_deref(), Some(&*long));
            let asked = writer.asked.lock().unwrap();
            let shortened = asked.iter().filter(|one| one.shorten.is_some()).count();
            assert_eq!(shortened, 1);
        }
    };
    check("b", 2, &[Some(Kind::TooLong), None]).await;
    check("b", 1, &[Some(Kind::TooLong), None]).await;
    check("", 5, &[Some(Kind::TooLong), Some(Kind::TooLong)]).await;
    check(" ", 5, &AGAIN).await;
}

#[tokio::test]
async fn shortening_stays_within_the_limit_of_reflection_calls() {
    for limit in 1..6 {
        let mut world = world("plan", demands(|texts| texts.max_tokens = Some(3)));
        world.components = vec![("plan", "a")];
        world.settings.reflection.max_attempts = 1;
        world.settings.budget.max_iterations = Some(20);
        world.settings.budget.max_reflection_calls = Some(limit);
        let writer = Writer::new(|_, _| vec!["b".repeat(100)]);
        finish(&world, &writer).await;
        let calls = writer.asked.lock().unwrap().len() as u64;
        assert!(calls <= limit, "{calls} calls of {limit}");
    }
}

#[tokio::test]
async fn every_accepted_candidate_keeps_the_rules_merges_too() {
    let rule = || {
        demands(|texts| {
            texts.required = vec!["keep".to_owned()];
            texts.max_chars = Some(11);
        })
    };
    let mut merges = 0;
    for seed in 0..10 {
        let mut world = world("plan", rule());
        world.settings.texts.insert("act".to_owned(), rule());
        world.components = vec![("plan", "keep"), ("act", "keep")];
        world.settings.run.seed = seed;
        world.settings.merge.enabled = true;
        world.settings.budget.max_iterations = None;
        world.settings.budget.max_rollouts = Some(600);
        let calls = AtomicU64::new(0);
        let writer = Writer::new(move |_, current| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            let noise = hash(&format!("{current}{call}"));
            let kept = if noise.is_multiple_of(3) { "" } else { "keep" };
            vec![format!("{kept} {}", "x".repeat(noise as usize % 9))]
        });
        let finished = finish(&world, &writer).await;
        let run = &finished.result.run.run_id;
        for row in finished.store.candidates(run).await.unwrap() {
            merges += u64::from(row.origin == gepa_archive::Origin::Merge);
            for text in row.components.components().values() {
                assert!(
                    text.contains("keep") && text.chars().count() <= 11,
                    "{text}"
                );
            }
        }
    }
    assert!(merges > 0, "no merge was tried");
}

#[tokio::test]
async fn a_text_from_a_person_that_breaks_a_rule_is_refused_with_the_reason() {
    let mut world = world(
        "plan",
        demands(|texts| texts.forbidden = vec!["bad".to_owned()]),
    );
    world.components = vec![("plan", "a"), ("act", "b")];
    let writer = Writer::new(|_, _| vec!["good".to_owned()]);
    let finished = finish(&world, &writer).await;
    let run = &finished.result.run.run_id;
    let mut limits = world.settings.budget.clone();
    limits.max_iterations = Some(5);
    let by = SteeredBy::default;
    let (store, config) = (&*finished.store, config(&world));
    steer_at_rest(
        store,
        run,
        &config,
        Steering::Extend(Box::new(limits)),
        by(),
    )
    .await
    .unwrap();
    let inject = |text: &str| Steering::Inject {
        candidate: Box::new(Candidate::new([("plan", text)]).unwrap()),
        gated: false,
        parent: None,
    };
    let refused = steer_at_rest(store, run, &config, inject("a bad text"), by()).await;
    let Err(RunError::Refused(refused)) = refused else {
        panic!("{refused:?}")
    };
    assert!(matches!(refused, SteeringRefused::BreaksRule { .. }));
    assert!(refused.to_string().contains("`bad` forbids"), "{refused}");
    steer_at_rest(store, run, &config, inject("a fine text"), by())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_model_edits_the_present_text_and_what_does_not_apply_is_refused() {
    let mut world = World::new();
    world.components = vec![("plan", "ab\ncd")];
    world.settings.search.skip_perfect = false;
    world.settings.reflection.mode = RewriteMode::Edit;
    world.settings.reflection.max_attempts = 2;
    world.settings.budget.max_iterations = Some(1);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let model = ScriptedModel::answering(move |request| {
        let prompt = request.messages[0].content.clone();
        let is_second = prompt.contains("An earlier reply could not be used");
        seen.lock().unwrap().push(prompt);
        let search = if is_second { "cd" } else { "third line" };
        format!("<<<<<<< SEARCH\n{search}\n=======\nbetter line\n>>>>>>> REPLACE")
    });
    let store = memory();
    let run = Run::builder(world.config())
        .store(Arc::clone(&store))
        .evaluator(Probe::new().shared())
        .reflection_model(Arc::new(model));
    let result = run.start().await.unwrap().finish().await.unwrap();
    let finished = Finished { store, result };
    let rows = reflections(&finished).await;
    assert_eq!(rows[0].failure.as_ref().unwrap().kind, Kind::EditNotApplied);
    assert_eq!(rows[1].text.as_deref(), Some("ab\nbetter line"));
    let asked = asked.lock().unwrap();
    assert!(asked[0].contains("Write only what changes"));
    assert!(!asked[0].contains("Then write the complete new instructions"));
}

#[tokio::test]
async fn a_text_that_copies_an_example_is_counted_or_refused() {
    for (copied, refused, copying) in [
        (CopiedExamples::Allow, 0, 0),
        (CopiedExamples::Warn, 0, 1),
        (CopiedExamples::Refuse, 2, 0),
    ] {
        let mut world = World::new();
        world.settings.reflection.copied_examples = copied;
        world.settings.reflection.max_attempts = 2;
        world.settings.budget.max_iterations = Some(1);
        let store = memory();
        let model = ScriptedModel::answering(|request| {
            let prompt = &request.messages[0].content;
            let line = prompt
                .lines()
                .find(|line| line.starts_with("what does one do"));
            format!("```\nAnswer: {}\n```", line.unwrap())
        });
        let run = Run::builder(world.config())
            .store(Arc::clone(&store))
            .evaluator(with_inputs())
            .reflection_model(Arc::new(model));
        let result = run.start().await.unwrap().finish().await.unwrap();
        let finished = Finished { store, result };
        let endings = endings(&finished);
        let found = endings.refused.get(&Kind::CopiedExample).copied();
        assert_eq!(found.unwrap_or_default(), refused, "{copied:?}");
        assert_eq!(endings.texts_copying, copying, "{copied:?}");
    }
}
