//! The configuration of a run, which cannot be invalid.

use std::ops::Range;
use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{ExampleId, PatternSyntax, PromptTemplate, wildcards_in};
use indexmap::IndexMap;

use super::growing::Evaluation;
use super::problem::{InvalidConfig, Problem};
use super::reflection::RewriteMode;
use super::settings::{Duplicates, Overlap, RunSettings, ScheduleKind, Settings, Speculation};
use super::texts::{TextDemands, check_seed, read_demands};
use crate::reflection::{Template, TextRules};

/// The most proposals of one generation. The limit keeps a typing error from filling the memory.
const LARGEST_GENERATION: u32 = 10_000;

/// The three example sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExampleSets {
    /// Minibatches for reflection are drawn from these.
    pub train: Vec<ExampleId>,
    /// The fronts are kept over these.
    pub pareto: Vec<ExampleId>,
    /// Held out: only the baseline and the final best are scored on them. May be empty.
    pub validation: Vec<ExampleId>,
}

impl ExampleSets {
    /// Sets of examples that are named by numbers: `train`, `pareto` and `validation`.
    pub fn of_seeds(train: Range<u64>, pareto: Range<u64>, validation: Range<u64>) -> Self {
        let ids = |seeds: Range<u64>| seeds.map(ExampleId::Seed).collect();
        Self {
            train: ids(train),
            pareto: ids(pareto),
            validation: ids(validation),
        }
    }
}

/// A run's configuration. Only a consistent configuration can be built.
#[derive(Clone, Debug)]
pub struct Config {
    settings: Settings,
    seed: Arc<Candidate>,
    prompt: PromptTemplate,
    /// Seed and prompt with the marks of frozen parts.
    given: Arc<(Candidate, PromptTemplate)>,
    sets: ExampleSets,
    templates: IndexMap<Arc<str>, Template>,
    required_wildcards: IndexMap<Arc<str>, Vec<Arc<str>>>,
    demands: IndexMap<Arc<str>, Arc<TextDemands>>,
    patterns: Option<Arc<dyn PatternSyntax>>,
}

impl Config {
    /// Checks everything and reports all problems at once.
    ///
    /// `prompt` says how the seed's components become chat messages; leave it empty where
    /// candidates are not prompts. The marks of `texts.NAME.frozen_marks` are taken out of the seed and of
    /// the prompt.
    pub fn new(
        seed: Candidate,
        prompt: PromptTemplate,
        sets: ExampleSets,
        settings: Settings,
    ) -> Result<Self, InvalidConfig> {
        Self::read(seed, prompt, sets, settings, None)
    }

    /// The same as [`new`](Self::new), with the language of the patterns in `texts.NAME.forbidden`.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), which refuses every pattern.
    pub fn with_patterns(
        seed: Candidate,
        prompt: PromptTemplate,
        sets: ExampleSets,
        settings: Settings,
        patterns: Arc<dyn PatternSyntax>,
    ) -> Result<Self, InvalidConfig> {
        Self::read(seed, prompt, sets, settings, Some(patterns))
    }

    fn read(
        seed: Candidate,
        prompt: PromptTemplate,
        sets: ExampleSets,
        settings: Settings,
        patterns: Option<Arc<dyn PatternSyntax>>,
    ) -> Result<Self, InvalidConfig> {
        let mut problems = Vec::new();
        let given = Arc::new((seed.clone(), prompt.clone()));
        let demanded = read_demands(
            seed,
            prompt,
            &settings.texts,
            patterns.as_deref(),
            &mut problems,
        );
        check_seed(&demanded, &mut problems);
        let (seed, prompt, demands) = (demanded.seed, demanded.prompt, demanded.demands);
        check_numbers(&settings, &mut problems);
        settings.search.growing.check(&mut problems);
        check_schedule(&settings.run, &mut problems);
        check_generation(&settings, &mut problems);
        check_sets(&sets, &settings.search.allow_overlap, &mut problems);
        check_prompt(&seed, &prompt, &mut problems);
        let templates = compile_templates(&seed, &settings, &mut problems);
        if !problems.is_empty() {
            return Err(InvalidConfig { problems });
        }
        let required_wildcards = seed
            .components()
            .iter()
            .map(|(name, text)| {
                let is_pattern = prompt
                    .messages
                    .iter()
                    .any(|m| m.component.as_deref() == Some(name));
                let wildcards = if is_pattern {
                    wildcards_in(text)
                } else {
                    Vec::new()
                };
                (Arc::clone(name), wildcards)
            })
            .collect();
        let seed = Arc::new(seed);
        Ok(Self {
            settings,
            seed,
            prompt,
            given,
            sets,
            templates,
            required_wildcards,
            demands,
            patterns,
        })
    }

    /// The same task under other settings.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_settings(&self, settings: Settings) -> Result<Self, InvalidConfig> {
        // Only settings that name marks can read texts with marks.
        let marked = |name: &str| {
            let own = settings.texts.get(name);
            own.is_some_and(|own| own.frozen_marks.is_some())
        };
        let (given_seed, given_prompt) = &*self.given;
        let texts = given_seed.components().iter();
        let texts = texts.map(|(name, text)| {
            let plain = self.seed.text(name).filter(|_| !marked(name));
            (name.to_string(), plain.unwrap_or(text).to_string())
        });
        // The components are those of a seed.
        let seed = Candidate::new(texts).unwrap_or_else(|_| given_seed.clone());
        let mut prompt = self.prompt.clone();
        for (message, given) in prompt.messages.iter_mut().zip(&given_prompt.messages) {
            if message.component.as_deref().is_some_and(marked) {
                message.pattern.clone_from(&given.pattern);
            }
        }
        Self::read(
            seed,
            prompt,
            self.sets.clone(),
            settings,
            self.patterns.clone(),
        )
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The candidate the search starts from.
    pub fn seed(&self) -> &Arc<Candidate> {
        &self.seed
    }

    /// How candidates become messages.
    pub fn prompt(&self) -> &PromptTemplate {
        &self.prompt
    }

    /// The example sets.
    pub fn sets(&self) -> &ExampleSets {
        &self.sets
    }

    /// The reflection prompts, one for each component.
    pub(crate) fn templates(&self) -> &IndexMap<Arc<str>, Template> {
        &self.templates
    }

    /// Wildcards a rewritten component must keep.
    pub(crate) fn required_wildcards(&self, component: &str) -> &[Arc<str>] {
        self.required_wildcards
            .get(component)
            .map_or(&[], Vec::as_slice)
    }

    /// What a text of `component` must satisfy that replaces `current`.
    pub(crate) fn text_rules(&self, component: &str, current: Arc<str>) -> TextRules {
        let demands = self.demands.get(component).cloned().unwrap_or_default();
        let most = self.settings.reflection.max_text_chars as usize;
        let wildcards = self.required_wildcards(component).to_vec();
        let mut rules = TextRules::new(current, wildcards, demands.max_chars.unwrap_or(most));
        rules.may_repeat = self.settings.search.duplicates == Duplicates::Keep;
        rules.demanding(demands)
    }

    /// What every text of a component must satisfy that its section of `texts` demands, wherever the text
    /// comes from; `None` if there is no such section.
    pub(crate) fn demands_on(&self, component: &str) -> Option<TextRules> {
        self.demands.get(component).map(TextRules::of_demands)
    }

    /// Whether the texts of a component have a length of their own to keep to.
    pub(crate) fn has_a_length(&self, component: &str) -> bool {
        let demands = self.demands.get(component);
        demands.is_some_and(|demands| demands.limits_length)
    }

    /// The components of which this holds.
    pub(crate) fn components_with_a_length(&self) -> usize {
        let demands = self.demands.values();
        demands.filter(|demands| demands.limits_length).count()
    }

    /// How the reflection model writes texts of a component.
    pub(crate) fn rewrite_mode(&self, component: &str) -> RewriteMode {
        let own = self.settings.texts.get(component);
        let own = own.and_then(|settings| settings.mode);
        own.unwrap_or(self.settings.reflection.mode)
    }

    /// Rollouts set aside for the final scoring.
    pub fn validation_rollouts(&self) -> u64 {
        (1 + u64::from(self.settings.validation.top_k)) * self.sets.validation.len() as u64
    }

    /// The number of rollouts one proposal can need: parent, child, pareto set.
    pub fn proposal_rollouts(&self) -> u64 {
        2 * u64::from(self.settings.search.minibatch_size) + self.sets.pareto.len() as u64
    }

    /// Proposals of one generation.
    pub fn generation_size(&self) -> u64 {
        self.generation_reflections() * self.hypotheses()
    }

    /// Minibatches of one generation on which a parent is run and reflected on.
    pub fn generation_reflections(&self) -> u64 {
        let search = &self.settings.search;
        u64::from(search.parents_per_generation) * u64::from(search.batches_per_parent)
    }

    /// Proposals from one reflection.
    pub(crate) fn hypotheses(&self) -> u64 {
        u64::from(self.settings.hypotheses())
    }

    /// Pareto examples that the seed, and a child, is run on at first.
    pub fn first_order(&self) -> u64 {
        let pareto = self.sets.pareto.len() as u64;
        match self.settings.search.evaluation {
            Evaluation::Full => pareto,
            Evaluation::Growing => pareto.min(u64::from(self.settings.search.growing.n0)),
        }
    }

    /// The number of rollouts a generation needs to try one of its children: all minibatches and
    /// the first order of one row of pareto scores.
    pub fn generation_rollouts(&self) -> u64 {
        let minibatch = u64::from(self.settings.search.minibatch_size);
        let tried = self.generation_reflections() + self.generation_size();
        tried * minibatch + self.first_order()
    }

    /// The smallest rollout budget with which one proposal can be tried.
    pub fn floor_rollouts(&self) -> u64 {
        self.first_order() + self.generation_rollouts() + self.validation_rollouts()
    }
}

fn check_numbers(settings: &Settings, problems: &mut Vec<Problem>) {
    let Settings {
        run,
        search,
        reflection,
        rollouts,
        budget,
        final_choice,
        ..
    } = settings;
    let fraction = |value: f64| (0.0..=1.0).contains(&value);
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let finite_or_absent = |value: Option<f64>| value.is_none_or(f64::is_finite);
    let at_least_one = [
        (run.gate_lag, "run.gate_lag"),
        (run.max_concurrent, "run.max_concurrent"),
        (search.minibatch_size, "search.minibatch_size"),
        (search.top_k, "search.top_k"),
        (
            search.archive_max_size.unwrap_or(1),
            "search.archive_max_size",
        ),
        (settings.hypotheses(), "reflection.hypotheses"),
        (reflection.max_attempts, "reflection.max_attempts"),
        (
            reflection.max_failures_in_a_row,
            "reflection.max_failures_in_a_row",
        ),
        (reflection.max_concurrent, "reflection.max_concurrent"),
        (reflection.max_text_chars, "reflection.max_text_chars"),
        (rollouts.max_attempts, "rollouts.max_attempts"),
    ];
    let counts = at_least_one.map(|(value, key)| (value >= 1, key, "must be at least 1"));
    let finite = "must be a finite number";
    let between = "must lie between 0 and 1";
    let backoff = rollouts.backoff_seconds;
    let others = [
        (fraction(search.epsilon), "search.epsilon", between),
        (
            final_choice
                .keep_seed_below
                .is_none_or(|share| (0.5..=1.0).contains(&share)),
            "final.keep_seed_below",
            "must lie between 0.5 and 1",
        ),
        (
            finite_or_absent(search.perfect_score),
            "search.perfect_score",
            finite,
        ),
        (
            finite_or_absent(search.archive_min_score),
            "search.archive_min_score",
            finite,
        ),
        (
            reflection.max_prompt_chars >= 1_000,
            "reflection.max_prompt_chars",
            "must be at least 1000",
        ),
        (
            positive(rollouts.timeout_seconds),
            "rollouts.timeout_seconds",
            "must be above 0",
        ),
        (
            backoff.is_finite() && backoff >= 0.0,
            "rollouts.backoff_seconds",
            "must be 0 or more",
        ),
        (
            fraction(rollouts.max_failure_fraction),
            "rollouts.max_failure_fraction",
            between,
        ),
        (
            budget.max_cost_usd.is_none_or(positive),
            "budget.max_cost_usd",
            "must be above 0",
        ),
        (
            budget.max_seconds.is_none_or(positive),
            "budget.max_seconds",
            "must be above 0",
        ),
        (
            finite_or_absent(budget.target_score),
            "budget.target_score",
            finite,
        ),
        (
            budget.ends_every_run(),
            "budget",
            "sets no limit that ends every run; set one, for example `max_rollouts = 500`",
        ),
    ];
    for (holds, key, message) in counts.into_iter().chain(others) {
        if !holds {
            problems.push(Problem::new(key, message));
        }
    }
}

fn check_schedule(run: &RunSettings, problems: &mut Vec<Problem>) {
    if run.pareto_lag < run.gate_lag {
        problems.push(Problem::new(
            "run.pareto_lag",
            "must be at least `run.gate_lag`",
        ));
    }
    if run.speculate == Speculation::Likely && run.schedule == ScheduleKind::Ordered {
        problems.push(Problem::new(
            "run.speculate",
            "cannot be `likely` under the ordered schedule, since what it spends depends on timing; \
             write `decided`, or set `run.schedule = \"free\"`",
        ));
    }
}

fn check_generation(settings: &Settings, problems: &mut Vec<Problem>) {
    let search = &settings.search;
    let (parents, batches) = (search.parents_per_generation, search.batches_per_parent);
    let keep = search.keep_best.unwrap_or(1);
    let at_least_one = [
        (parents, "search.parents_per_generation"),
        (batches, "search.batches_per_parent"),
        (keep, "search.keep_best"),
    ];
    for (value, key) in at_least_one {
        if value == 0 {
            problems.push(Problem::new(key, "must be at least 1"));
        }
    }
    let size = parents
        .checked_mul(batches)
        .and_then(|tasks| tasks.checked_mul(settings.hypotheses()));
    if size.is_none_or(|size| size > LARGEST_GENERATION) {
        problems.push(Problem::new(
            "search.batches_per_parent",
            format!(
                "makes more than {LARGEST_GENERATION} proposals with `search.parents_per_generation` \
                 and `reflection.hypotheses`; make one of them smaller"
            ),
        ));
    }
}

fn check_sets(sets: &ExampleSets, allowed: &[Overlap], problems: &mut Vec<Problem>) {
    for (name, set) in [("train", &sets.train), ("pareto", &sets.pareto)] {
        if set.is_empty() {
            problems.push(Problem::new(
                format!("examples.{name}"),
                "names no example; the search needs at least one",
            ));
        }
    }
    let named = [
        ("train", &sets.train),
        ("pareto", &sets.pareto),
        ("validation", &sets.validation),
    ];
    for (name, set) in named {
        if let Some(twice) = first_repeated(set) {
            problems.push(Problem::new(
                format!("examples.{name}"),
                format!("names example {twice} twice; name each once"),
            ));
        }
    }
    let pairs = [
        (Overlap::TrainPareto, named[0], named[1]),
        (Overlap::TrainValidation, named[0], named[2]),
        (Overlap::ParetoValidation, named[1], named[2]),
    ];
    for (overlap, (first_name, first), (second_name, second)) in pairs {
        let first: std::collections::BTreeSet<&ExampleId> = first.iter().collect();
        let shared: Vec<&ExampleId> = second.iter().filter(|id| first.contains(id)).collect();
        if let (Some(one), false) = (shared.first(), allowed.contains(&overlap)) {
            problems.push(Problem::new(
                format!("examples.{second_name}"),
                format!(
                    "shares {} example(s) with `{first_name}`, the first is {one}; give the sets different \
                     examples, or allow it with search.allow_overlap = [\"{}\"]",
                    shared.len(),
                    overlap.as_str()
                ),
            ));
        }
    }
}

fn first_repeated(set: &[ExampleId]) -> Option<&ExampleId> {
    let mut seen = std::collections::BTreeSet::new();
    set.iter().find(|id| !seen.insert(*id))
}

fn check_prompt(seed: &Candidate, prompt: &PromptTemplate, problems: &mut Vec<Problem>) {
    for (position, message) in prompt.messages.iter().enumerate() {
        let Some(component) = &message.component else {
            continue;
        };
        if seed.text(component).is_none() {
            problems.push(Problem::new(
                format!("prompt.messages[{position}].component"),
                format!("names component `{component}`, which the seed candidate does not have"),
            ));
        }
    }
}

fn compile_templates(
    seed: &Candidate,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> IndexMap<Arc<str>, Template> {
    let reflection = &settings.reflection;
    for name in reflection.templates.keys() {
        if seed.text(name).is_none() {
            let known: Vec<&str> = seed.components().keys().map(|name| &**name).collect();
            problems.push(Problem::new(
                format!("reflection.templates.{name}"),
                format!(
                    "names no component; the candidate has: {}",
                    known.join(", ")
                ),
            ));
        }
    }
    let mut compiled = IndexMap::new();
    for name in seed.components().keys() {
        let (key, text) = match (reflection.templates.get(&**name), &reflection.template) {
            (Some(own), _) => (format!("reflection.templates.{name}"), own.as_str()),
            (None, Some(shared)) => ("reflection.template".to_owned(), shared.as_str()),
            (None, None) => {
                let own = settings.texts.get(&**name).and_then(|own| own.mode);
                let text = match own.unwrap_or(reflection.mode) {
                    RewriteMode::Rewrite => Template::DEFAULT,
                    RewriteMode::Edit => Template::DEFAULT_FOR_EDITS,
                };
                ("reflection.template".to_owned(), text)
            }
        };
        match Template::parse(text) {
            Ok(template) => {
                compiled.insert(Arc::clone(name), template);
            }
            Err(error) => problems.push(Problem::new(key, error.to_string())),
        }
    }
    compiled
}
