//! The deterministic task of the reference implementation's recorded runs: the score of a candidate
//! on an example, and the proposer's rewrite of it. Texts are `g` and a number of sixteen genes.

use serde::Deserialize;

/// The parameters of a world, as a recording's header holds them.
///
/// An example's *key* is its id in the training set. In a separate validation set the key is the id
/// plus an offset, so that no training example has it.
#[derive(Clone, Debug, Deserialize)]
pub struct World {
    seed: u64,
    mode: Mode,
    base: u64,
    rug: u64,
    guide: u64,
    min_changes: u64,
    span_changes: u64,
    /// Names of the objectives besides the score.
    pub objectives: Vec<String>,
    obj_sparse: u64,
    quirks: u64,
    val_space: u64,
}

/// How scores are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Binary,
    Quarter,
    Double,
}

/// The proposer's answer for a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewriting {
    /// It raises an error, which fails the whole proposal.
    Raises,
    /// It does not change the component.
    Nothing,
    /// A new text, which may equal the old one.
    Text(String),
}

const NO_TEXT: u64 = 1;
const RAISING: u64 = 2;
const NO_TRACES: u64 = 4;
const MISCOUNTING: u64 = 8;

impl World {
    /// The key of a validation example.
    pub fn validation_key(&self, id: u64) -> u64 {
        id.wrapping_add(self.val_space << 32)
    }

    /// The score of a numerator.
    pub fn score(&self, numerator: u64) -> f64 {
        let denominator = match self.mode {
            Mode::Binary => 1,
            Mode::Quarter => 4,
            Mode::Double => 25_u64 << 44,
        };
        numerator as f64 / denominator as f64
    }

    /// The numerator of a candidate's score on an example.
    pub fn numerator(&self, texts: &[String], key: u64) -> u64 {
        self.channel(&genotypes(texts), key, 0)
    }

    /// The objective scores of a candidate on an example.
    pub fn objective_scores(&self, texts: &[String], key: u64) -> Vec<(&str, f64)> {
        let genotypes = genotypes(texts);
        let is_absent = |one: u64| {
            self.obj_sparse == 1 && one >= 1 && self.hash(&[9, key, one]).is_multiple_of(4)
        };
        (0_u64..)
            .zip(&self.objectives)
            .filter(|(one, _)| !is_absent(*one))
            .map(|(one, name)| {
                let numerator = self.channel(&genotypes, key, 1 + one);
                (name.as_str(), self.score(numerator))
            })
            .collect()
    }

    /// The proposer's answer for a component's text after a minibatch.
    pub fn rewrite(&self, component: usize, text: &str, minibatch: &[u64]) -> Rewriting {
        let component = component as u64;
        let mut genes = genotype(text);
        let mut arguments = vec![6, component, genes];
        arguments.extend(minibatch);
        let base = self.hash(&arguments);
        if self.quirks & RAISING != 0 && base >> 60 == 1 {
            return Rewriting::Raises;
        }
        if self.quirks & NO_TEXT != 0 && base >> 60 == 0 {
            return Rewriting::Nothing;
        }
        let mut state = base;
        for _ in 0..self.min_changes + (base >> 8) % self.span_changes {
            state = mix(state);
            let gene = state & 15;
            let nibble = if (state >> 8) % 100 < self.guide {
                self.target(component, gene)
            } else {
                (state >> 20) & 15
            };
            genes = (genes & !(15 << (4 * gene))) | (nibble << (4 * gene));
        }
        Rewriting::Text(format!("g{genes}"))
    }

    /// Whether a minibatch evaluation returns no traces.
    pub fn lacks_traces(&self, texts: &[String], minibatch: &[u64]) -> bool {
        self.quirks & NO_TRACES != 0 && self.hash_of_batch(7, texts, minibatch) >> 60 == 0
    }

    /// How many metric calls a minibatch evaluation reports.
    pub fn reported_calls(&self, texts: &[String], minibatch: &[u64]) -> u64 {
        let extra = if self.quirks & MISCOUNTING == 0 {
            0
        } else {
            self.hash_of_batch(8, texts, minibatch) % 3
        };
        minibatch.len() as u64 + extra
    }

    fn hash_of_batch(&self, purpose: u64, texts: &[String], minibatch: &[u64]) -> u64 {
        let mut arguments = vec![purpose];
        arguments.extend(genotypes(texts));
        arguments.extend(minibatch);
        self.hash(&arguments)
    }

    fn channel(&self, genotypes: &[u64], key: u64, channel: u64) -> u64 {
        let mut sum = 0;
        let mut arguments = vec![5, key, channel];
        for slot in 0..4 {
            let hash = self.hash(&[2, key, channel, slot]);
            let component = hash % genotypes.len() as u64;
            let gene = (hash >> 8) & 15;
            let mut target = self.target(component, gene);
            if (hash >> 16).is_multiple_of(4) {
                target ^= (hash >> 20) & 15;
            }
            let nibble = (genotypes[component as usize] >> (4 * gene)) & 15;
            sum += 4 - u64::from((nibble ^ target).count_ones());
            arguments.push(nibble);
        }
        let noise = self.hash(&arguments);
        sum += noise % (self.rug + 1);
        match self.mode {
            Mode::Binary => u64::from(sum >= self.base + self.hash(&[4, key, channel]) % 5),
            Mode::Quarter => sum
                .checked_sub(self.base)
                .map_or(0, |above| (above / 2).min(4)),
            Mode::Double => (sum << 44) + (noise >> 20),
        }
    }

    fn target(&self, component: u64, gene: u64) -> u64 {
        self.hash(&[1, component, gene]) & 15
    }

    fn hash(&self, arguments: &[u64]) -> u64 {
        arguments
            .iter()
            .fold(mix(self.seed), |hash, argument| mix(hash ^ argument))
    }
}

fn genotypes(texts: &[String]) -> Vec<u64> {
    texts.iter().map(|text| genotype(text)).collect()
}

fn genotype(text: &str) -> u64 {
    let number = text.strip_prefix('g').and_then(|genes| genes.parse().ok());
    number.expect("every text of the world is g and a number")
}

fn mix(value: u64) -> u64 {
    let stepped = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let first = (stepped ^ (stepped >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let second = (first ^ (first >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    second ^ (second >> 31)
}
