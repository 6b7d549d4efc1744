//! The tasks of the grid: simulated worlds by family, and collections of texts.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use gepa_bench::searching::TaskInProcess;
use gepa_bench::texts::{self, Corpus, Sizes, TextTask};
use gepa_bench::worlds::{self, Conditions, Family, LARGEST_SET, Split, World};
use gepa_engine::ExampleSets;
use gepa_evaluation::ExampleId;

/// Examples for minibatches in a world.
pub(crate) const TRAIN: usize = 150;
/// The most pareto examples of a task on texts.
const TEXT_PARETO: usize = 300;
const TEXT_TRAIN: usize = 200;
const TEXT_TEST: usize = 800;

/// A kind of task, which a seed makes a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    World(Family),
    Texts(Corpus),
}

/// A task.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    World(Arc<World>),
    Texts(Arc<TextTask>),
}

impl Kind {
    /// The calibrated families, and the one whose rules add up as a control.
    pub(crate) fn worlds() -> Vec<Self> {
        let calibrated = Family::CALIBRATED.into_iter().chain([Family::Additive]);
        calibrated.map(Self::World).collect()
    }

    pub(crate) fn texts() -> Vec<Self> {
        Corpus::ALL.map(Self::Texts).to_vec()
    }

    /// The family of a world.
    pub(crate) fn family(self) -> Option<Family> {
        match self {
            Self::World(family) => Some(family),
            Self::Texts(_) => None,
        }
    }

    /// The task of this seed; `datasets` is the folder of the collections.
    pub(crate) fn task(self, seed: u64, datasets: &Path) -> Result<Task, String> {
        match self {
            Self::World(family) => Ok(Task::World(Arc::new(World::new(family, seed)))),
            Self::Texts(corpus) => {
                let sizes = Sizes {
                    train: TEXT_TRAIN,
                    pareto: TEXT_PARETO,
                    test: TEXT_TEST,
                };
                let task = TextTask::draw(corpus, datasets, seed, sizes);
                let task = task.map_err(|error| error.to_string())?;
                Ok(Task::Texts(Arc::new(task)))
            }
        }
    }
}

impl Task {
    pub(crate) fn seed_prompt(&self) -> &str {
        match self {
            Self::World(world) => world.seed_prompt(),
            Self::Texts(task) => task.seed_prompt(),
        }
    }

    pub(crate) fn true_score(&self, prompt: &str) -> f64 {
        match self {
            Self::World(world) => world.expected(&world.read(prompt), Split::Test, LARGEST_SET),
            Self::Texts(task) => task.true_score(prompt),
        }
    }

    /// Models for one run, and the examples. A task on texts has no validation examples.
    pub(crate) fn in_process(&self, pareto: usize, validation: usize) -> TaskInProcess {
        let seed_prompt = self.seed_prompt().to_owned();
        match self {
            Self::World(world) => {
                let (evaluator, reflector) =
                    worlds::twins(Arc::clone(world), Conditions::default());
                let ids = |split, count| -> Vec<ExampleId> {
                    let items = world.items(split).iter().take(count);
                    items.map(|item| item.id.as_str().into()).collect()
                };
                TaskInProcess {
                    seed_prompt,
                    sets: ExampleSets {
                        train: ids(Split::Train, TRAIN),
                        pareto: ids(Split::Pareto, pareto),
                        validation: ids(Split::Validation, validation),
                    },
                    evaluator: Arc::new(evaluator),
                    reflector: Arc::new(reflector),
                }
            }
            Self::Texts(task) => {
                let (evaluator, reflector) = texts::twins(Arc::clone(task));
                TaskInProcess {
                    seed_prompt,
                    sets: task.sets(pareto),
                    evaluator: Arc::new(evaluator),
                    reflector: Arc::new(reflector),
                }
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World(family) => family.fmt(formatter),
            Self::Texts(corpus) => corpus.fmt(formatter),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let family = name.parse().map(Self::World);
        family.or_else(|unknown: worlds::UnknownFamily| {
            let corpus = name.parse().map(Self::Texts);
            corpus.map_err(|other: texts::UnknownCorpus| format!("{unknown}; {other}"))
        })
    }
}
