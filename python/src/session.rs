//! One run, as Python sees it.

use std::sync::{Arc, Mutex, MutexGuard};

use gepa_engine::{
    Candidate, Config, EvaluatorInfo, ExampleId, ExampleSets, FailureKind, Outcome, PromptTemplate,
    ReflectionFailure, ReflectionFailureKind, Rewritten, RunId, Settings, SteppedRun, Steps,
    StopReason, Timestamp, TrialKey, Usage,
};
use gepa_evaluation::MicroUsd;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use tokio::runtime::Runtime;

use crate::decisions::{Told, decision, is_told};
use crate::history::event;
use crate::orders::{Given, Named, Positions, order, outcome, usable_objectives};
use crate::policies::{Raised, policies_of};

type Trial = (u64, u32);
/// Prompt tokens, completion tokens, and US dollars.
type Spent = (u64, u64, f64);
type Tuple<'py> = Bound<'py, PyTuple>;

/// A run that gives out orders and takes results.
#[pyclass(module = "gepa_engine._native", frozen)]
pub(crate) struct Session {
    inner: Arc<Mutex<Inner>>,
    raised: Raised,
    /// The process that has the threads behind the run.
    process: u32,
}

impl Drop for Session {
    fn drop(&mut self) {
        // A forked child has a copy of the run without its threads, and their end would be waited for.
        if std::process::id() != self.process {
            std::mem::forget(Arc::clone(&self.inner));
        }
    }
}

struct Inner {
    run: SteppedRun,
    runtime: Runtime,
    resumed: bool,
}

#[pymethods]
impl Session {
    /// Starts the run in the store, or goes on with it if the store holds it.
    #[new]
    #[pyo3(signature = (*, seed, train, pareto, held_out, settings, store, run_id, policies, paced, journaled, kind))]
    #[expect(clippy::too_many_arguments, reason = "keywords of one Python call")]
    fn new(
        py: Python<'_>,
        seed: Vec<(String, String)>,
        train: Vec<u64>,
        pareto: Vec<u64>,
        held_out: Vec<u64>,
        settings: &str,
        store: &str,
        run_id: Option<&str>,
        policies: &Bound<'_, PyDict>,
        paced: bool,
        journaled: bool,
        kind: &str,
    ) -> PyResult<Self> {
        let parts = Parts {
            train,
            pareto,
            held_out,
        };
        let (config, described) = config_of(&seed, parts, settings)?;
        let raised = Raised::default();
        let run_id = match run_id {
            Some(name) => name.parse().map_err(value_error)?,
            None => RunId::fresh(Timestamp::now()),
        };
        let runtime = runtime_of(store).map_err(runtime_error)?;
        let opened = py.detach(|| runtime.block_on(gepa_postgres::open(store)));
        let steps = Steps {
            config,
            policies: policies_of(policies, &raised)?,
            store: opened.map_err(runtime_error)?,
            run_id,
            described,
            info: EvaluatorInfo::without_model(kind),
            paced,
            journaled,
        };
        let (run, resumed) = py
            .detach(|| runtime.block_on(open(steps)))
            .map_err(runtime_error)?;
        let session = Self {
            inner: Arc::new(Mutex::new(Inner {
                run,
                runtime,
                resumed,
            })),
            raised,
            process: std::process::id(),
        };
        session.check()?;
        Ok(session)
    }

    /// The run's id.
    #[getter]
    fn run_id(&self) -> PyResult<String> {
        Ok(self.locked()?.run.run_id().as_str().to_owned())
    }

    /// Whether the store held the run already.
    #[getter]
    fn resumed(&self) -> PyResult<bool> {
        Ok(self.locked()?.resumed)
    }

    /// Whether the run is over.
    #[getter]
    fn finished(&self) -> PyResult<bool> {
        Ok(self.locked()?.run.is_finished())
    }

    /// Why the search ended, as a name and a sentence.
    #[getter]
    fn stop_reason(&self) -> PyResult<Option<(String, String)>> {
        let inner = self.locked()?;
        let reason = inner.run.stop_reason();
        Ok(reason.map(|reason| (reason.as_str().to_owned(), reason.to_string())))
    }

    /// The events that a resumed run was rebuilt from.
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let events = self.locked()?.run.take_history();
        let list = PyList::empty(py);
        for stored in &events {
            if let Some(tuple) = event(py, stored)? {
                list.append(tuple)?;
            }
        }
        Ok(list)
    }

    /// The decisions since the last call.
    fn decisions<'py>(&self, py: Python<'py>) -> PyResult<Vec<Tuple<'py>>> {
        let decisions = self.locked()?.run.take_decisions();
        let told = decisions.iter().filter(|one| is_told(one));
        told.map(|one| decision(py, one, Told::Now)).collect()
    }

    /// The decisions since the last call, and the orders since the last call: `("trial", trial, stage, positions,
    /// examples)` and `("reflection", iteration, component, attempt)`.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<(Vec<Tuple<'py>>, Vec<Tuple<'py>>)> {
        let mut inner = self.locked()?;
        let (decisions, orders) = (inner.run.take_decisions(), inner.run.take_orders());
        drop(inner);
        let told = decisions.iter().filter(|one| is_told(one));
        let decisions = told.map(|one| decision(py, one, Told::Now));
        let orders = orders.iter().filter_map(|one| order(py, one).transpose());
        Ok((
            decisions.collect::<PyResult<_>>()?,
            orders.collect::<PyResult<_>>()?,
        ))
    }

    /// Returns the outcomes of a trial, in the order of `positions`. `spent` has prompt tokens, completion
    /// tokens and US dollars of each.
    #[pyo3(signature = (trial, positions, scores, objectives=None, outputs=None, spent=None))]
    fn settle(
        &self,
        trial: Trial,
        positions: Positions,
        scores: Given,
        objectives: Option<Vec<Option<Named>>>,
        outputs: Option<Vec<Option<String>>>,
        spent: Option<Vec<Option<Spent>>>,
    ) -> PyResult<()> {
        // Everything is checked before anything is kept.
        let objectives = objectives
            .into_iter()
            .flatten()
            .map(|named| named.map(usable_objectives).transpose());
        let mut objectives = objectives.collect::<PyResult<Vec<_>>>()?.into_iter();
        let mut outputs = outputs.into_iter().flatten();
        let mut spent = spent.into_iter().flatten();
        let mut inner = self.locked()?;
        for (position, score) in positions.iter().zip(scores.0) {
            let named = objectives.next().flatten().unwrap_or_default();
            let outcome = outcome(score, named, outputs.next().flatten());
            let usage = spent.next().flatten().map(usage_of).unwrap_or_default();
            inner.run.settle(trial_key(trial), position, outcome, usage);
        }
        drop(inner);
        self.check()
    }

    /// Says that rollouts of a trial have no score.
    fn fail(&self, trial: Trial, positions: Positions, message: &str) -> PyResult<()> {
        let mut inner = self.locked()?;
        for position in positions.iter() {
            let outcome = Outcome::failed(FailureKind::Permanent, message);
            inner
                .run
                .settle(trial_key(trial), position, outcome, Usage::default());
        }
        drop(inner);
        self.check()
    }

    /// Adds a JSON text to an outcome that is not stored yet.
    fn add_trace(&self, trial: Trial, position: u32, json: &str) -> PyResult<bool> {
        let trace = serde_json::from_str(json).map_err(value_error)?;
        Ok(self
            .locked()?
            .run
            .add_trace(trial_key(trial), position, trace))
    }

    /// Returns the new text of a component, or why there is none.
    #[pyo3(signature = (iteration, component, attempt, text, reply=None, failure=None, spent=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of one Python call")]
    fn rewrite(
        &self,
        iteration: u64,
        component: &str,
        attempt: u32,
        text: Option<String>,
        reply: Option<String>,
        failure: Option<String>,
        spent: Option<Spent>,
    ) -> PyResult<()> {
        let text = text.ok_or_else(|| ReflectionFailure {
            kind: ReflectionFailureKind::Empty,
            message: failure.unwrap_or_else(|| "no text was proposed".to_owned()),
        });
        let answer = Rewritten {
            text,
            reply,
            usage: spent.map(usage_of).unwrap_or_default(),
            since: Timestamp::now(),
        };
        self.locked()?
            .run
            .settle_reflection(iteration, component, attempt, answer);
        self.check()
    }

    /// Asks for the next generation.
    fn request_generation(&self) -> PyResult<()> {
        self.locked()?.run.request_generation();
        self.check()
    }

    /// Ends the search.
    fn stop(&self, name: String, detail: String) -> PyResult<()> {
        self.locked()?.run.stop(StopReason::Custom { name, detail });
        self.check()
    }

    /// Notes why this process leaves the run, which can be resumed.
    fn interrupt(&self, reason: &str) -> PyResult<()> {
        self.locked()?.run.interrupt(reason);
        Ok(())
    }

    /// Stores everything noted so far.
    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        let committed = py.detach(|| {
            let mut inner = self.inner.lock().map_err(|_| None)?;
            let Inner { run, runtime, .. } = &mut *inner;
            runtime.block_on(run.commit()).map_err(Some)
        });
        committed.map_err(|error| match error {
            Some(error) => runtime_error(error),
            None => poisoned(),
        })
    }

    /// Gives up the run, so that another process or another call can go on with it.
    fn release(&self) -> PyResult<()> {
        self.locked()?.run.release();
        Ok(())
    }

    /// Rollouts executed so far.
    #[getter]
    fn rollouts(&self) -> PyResult<u64> {
        Ok(self.locked()?.run.counters().total_rollouts)
    }

    /// Tokens and US dollars that were reported so far, also by earlier processes.
    #[getter]
    fn spent(&self) -> PyResult<(u64, f64)> {
        let inner = self.locked()?;
        let counters = inner.run.counters();
        Ok((counters.total_tokens, counters.total_cost_usd()))
    }
}

impl Session {
    fn locked(&self) -> PyResult<MutexGuard<'_, Inner>> {
        match self.inner.try_lock() {
            Ok(inner) => Ok(inner),
            Err(std::sync::TryLockError::Poisoned(_)) => Err(poisoned()),
            Err(std::sync::TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "the run is deciding at this moment; call it from one thread, and not from within a \
                 selector, sampler or acceptance rule",
            )),
        }
    }

    /// Raises what a policy raised.
    fn check(&self) -> PyResult<()> {
        self.raised.take().map_or(Ok(()), Err)
    }
}

async fn open(steps: Steps) -> Result<(SteppedRun, bool), gepa_engine::RunError> {
    let known = steps.store.run(&steps.run_id).await.is_ok();
    let run = if known {
        SteppedRun::resume(steps).await?
    } else {
        SteppedRun::start(steps).await?
    };
    Ok((run, known))
}

/// Example numbers of the three sets.
pub(crate) struct Parts {
    pub(crate) train: Vec<u64>,
    pub(crate) pareto: Vec<u64>,
    pub(crate) held_out: Vec<u64>,
}

/// The configuration, and its settings as they are kept with the run.
pub(crate) fn config_of(
    seed: &[(String, String)],
    parts: Parts,
    settings: &str,
) -> PyResult<(Config, serde_json::Value)> {
    let settings: Settings = serde_json::from_str(settings).map_err(value_error)?;
    let described = serde_json::to_value(&settings).map_err(value_error)?;
    let texts = seed
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let seed = Candidate::new(texts).map_err(value_error)?;
    let sets = ExampleSets {
        train: examples(parts.train),
        pareto: examples(parts.pareto),
        validation: examples(parts.held_out),
    };
    let config = Config::new(seed, PromptTemplate::default(), sets, settings);
    Ok((config.map_err(value_error)?, described))
}

/// A runtime for a store. Connections to a database server need a thread that serves them between calls.
pub(crate) fn runtime_of(store: &str) -> std::io::Result<Runtime> {
    if gepa_postgres::is_postgres(store) {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        return builder.worker_threads(1).enable_all().build();
    }
    tokio::runtime::Builder::new_current_thread().build()
}

fn usage_of((prompt_tokens, completion_tokens, dollars): Spent) -> Usage {
    #[expect(clippy::cast_sign_loss, reason = "clamped before")]
    let cost = MicroUsd((dollars.max(0.0) * 1e6).round() as u64);
    Usage {
        calls: 1,
        prompt_tokens,
        completion_tokens,
        cost,
        ..Usage::default()
    }
}

fn examples(numbers: Vec<u64>) -> Vec<ExampleId> {
    numbers.into_iter().map(ExampleId::Seed).collect()
}

fn trial_key((iteration, index): Trial) -> TrialKey {
    TrialKey { iteration, index }
}

pub(crate) fn value_error(error: impl ToString) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn runtime_error(error: impl ToString) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

fn poisoned() -> PyErr {
    PyRuntimeError::new_err("an earlier call failed inside the engine; open the run again")
}
