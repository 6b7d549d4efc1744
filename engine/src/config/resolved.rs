//! The configuration of a run, which cannot be invalid.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{PatternSyntax, PromptTemplate, wildcards_in};
use indexmap::IndexMap;

use super::checks::{
    check_generation, check_limits, check_numbers, check_prompt, check_schedule, compile_templates,
};
use super::growing::Evaluation;
use super::problem::InvalidConfig;
use super::reflection::RewriteMode;
use super::seeds::further_seeds;
use super::sets::{ExampleSets, check_sets};
use super::settings::{Duplicates, Settings};
use super::texts::{check_seed, read_demands};
use crate::reflection::{Template, TextDemands, TextRules};

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
    seeds: Vec<Candidate>,
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
        check_limits(&settings.budget, &mut problems);
        settings.search.growing.check(&mut problems);
        check_schedule(&settings.run, &mut problems);
        check_generation(&settings, &mut problems);
        check_sets(&sets, &settings.search.allow_overlap, &mut problems);
        check_prompt(&seed, &prompt, &mut problems);
        let wildcards = required_wildcards(&seed, &prompt);
        let seeds = further_seeds(
            &seed,
            &settings.texts,
            &settings.seeds,
            |name| {
                let demands = demands.get(name).cloned().unwrap_or_default();
                let mut rules = TextRules::of_demands(&demands);
                rules.wildcards = wildcards.get(name).cloned().unwrap_or_default();
                rules
            },
            &mut problems,
        );
        let templates = compile_templates(&seed, &settings, &mut problems);
        if !problems.is_empty() {
            return Err(InvalidConfig { problems });
        }
        let seed = Arc::new(seed);
        Ok(Self {
            settings,
            seed,
            prompt,
            given,
            sets,
            templates,
            required_wildcards: wildcards,
            demands,
            seeds,
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
        rules.copied = self.settings.reflection.copied_examples;
        rules.demanding(demands)
    }

    /// What every text of a component must satisfy that its section of `texts` demands, wherever the text
    /// comes from; `None` if there is no such section.
    pub(crate) fn demands_on(&self, component: &str) -> Option<TextRules> {
        self.demands.get(component).map(TextRules::of_demands)
    }

    /// Whether the texts of a candidate satisfy what the sections of `texts` demand. The error names the rule.
    pub(crate) fn check_candidate(&self, candidate: &Candidate) -> Result<(), String> {
        for (name, text) in candidate.components() {
            if let Some(Err(broken)) = self.demands_on(name).map(|rules| rules.check(text)) {
                let message = broken.message.replace("the new text", "its text");
                return Err(format!("`texts.{name}`: {message}"));
            }
        }
        Ok(())
    }

    /// Further candidates from which the search starts.
    pub fn further_seeds(&self) -> &[Candidate] {
        &self.seeds
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

/// The wildcards that each component's texts must keep: those of its seed text where it is a message.
fn required_wildcards(
    seed: &Candidate,
    prompt: &PromptTemplate,
) -> IndexMap<Arc<str>, Vec<Arc<str>>> {
    let of_component = |name: &str, text: &str| {
        let mut messages = prompt.messages.iter();
        let is_message = messages.any(|message| message.component.as_deref() == Some(name));
        if is_message {
            wildcards_in(text)
        } else {
            Vec::new()
        }
    };
    let components = seed.components().iter();
    components
        .map(|(name, text)| (Arc::clone(name), of_component(name, text)))
        .collect()
}
