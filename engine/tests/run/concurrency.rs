//! How many calls run at once, and that their number changes no decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gepa_engine::config::Speculation;
use gepa_engine::{EventBody, Fact, Run};
use gepa_evaluation::{
    ChatRequest, Completion, LanguageModel, ModelError, ModelInfo, RolloutRequest,
};
use gepa_testing::ScriptedModel;

use crate::probe::Probe;
use crate::world::{World, count, decisions, hash, memory, rewritten};

fn jitter(request: &RolloutRequest) -> Duration {
    let draw = hash(&format!("{}{}", request.trial_id, request.example));
    Duration::from_micros(100 + draw % 2_000)
}

#[tokio::test]
async fn no_more_rollouts_are_in_flight_than_allowed_and_as_many_as_allowed() {
    for allowed in [1, 5] {
        let mut world = World::new();
        world.settings.run.max_concurrent = allowed;
        let probe = Probe::new().waiting(jitter).shared();
        world.finish(Arc::clone(&probe) as _).await;
        assert_eq!(probe.peak(), allowed as usize);
    }
}

/// Worlds whose decisions must not depend on timing.
fn ordered_worlds() -> Vec<World> {
    let shapes = [
        (1, 1, 1, 1, Speculation::Off),
        (4, 8, 1, 1, Speculation::Off),
        (4, 12, 1, 2, Speculation::Decided),
        (2, 4, 3, 1, Speculation::Decided),
    ];
    let world = |(gate_lag, pareto_lag, batches, hypotheses, speculate)| {
        let mut world = World::new();
        world.settings.merge.enabled = true;
        world.settings.run.gate_lag = gate_lag;
        world.settings.run.pareto_lag = pareto_lag;
        world.settings.run.speculate = speculate;
        world.settings.search.batches_per_parent = batches;
        world.settings.reflection.hypotheses = Some(hypotheses);
        world
    };
    shapes.map(world).into()
}

#[tokio::test]
async fn the_decisions_are_the_same_at_any_concurrency() {
    for mut world in ordered_worlds() {
        let mut expected = None;
        for allowed in [1, 256] {
            world.settings.run.max_concurrent = allowed;
            let probe = Probe::new().waiting(move |request| jitter(request) * allowed.min(3));
            let finished = world.finish(probe.shared()).await;
            let journal = finished.journal().await;
            let executed =
                |body: &EventBody| matches!(body, EventBody::Fact(Fact::RolloutSettled(_)));
            let made = (decisions(&journal), count(&journal, executed));
            let first = expected.get_or_insert_with(|| made.clone());
            assert_eq!(*first, made, "{allowed} slots, {:?}", world.settings.run);
        }
    }
}

/// Counts how many calls wait at once.
struct SlowModel {
    inner: ScriptedModel,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

#[async_trait]
impl LanguageModel for SlowModel {
    async fn complete(&self, request: ChatRequest) -> Result<Completion, ModelError> {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.inner.complete(request).await
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> ModelInfo {
        self.inner.info()
    }
}

async fn most_reflections(gate_lag: u32, pareto_lag: u32, allowed: u32) -> usize {
    let mut world = World::new();
    world.settings.run.gate_lag = gate_lag;
    world.settings.run.pareto_lag = pareto_lag;
    world.settings.reflection.max_concurrent = allowed;
    let model = Arc::new(SlowModel {
        inner: ScriptedModel::answering(|request| rewritten(&request.messages[0].content)),
        in_flight: AtomicUsize::new(0),
        peak: AtomicUsize::new(0),
    });
    let run = Run::builder(world.config())
        .store(memory())
        .evaluator(Probe::new().shared())
        .reflection_model(Arc::clone(&model) as _)
        .start()
        .await
        .unwrap();
    run.finish().await.unwrap();
    model.peak.load(Ordering::SeqCst)
}

#[tokio::test]
async fn reflections_overlap_with_lags_above_one_and_within_their_own_limit() {
    assert_eq!(most_reflections(1, 1, 8).await, 1);
    assert_eq!(most_reflections(6, 12, 2).await, 2);
    assert!(most_reflections(6, 12, 8).await > 2);
}
