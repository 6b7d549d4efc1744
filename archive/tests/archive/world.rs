//! The deterministic world of the recorded runs: what a candidate scores on an example.

use serde_json::Value;

pub(crate) struct World {
    seed: u64,
    mode: String,
    base: u64,
    rug: u64,
    val_space: u64,
    sparse: bool,
    pub(crate) objectives: Vec<String>,
}

impl World {
    pub(crate) fn from_header(world: &Value) -> Self {
        let number = |key: &str| world[key].as_u64().expect("a number in the header");
        let objectives = world["objectives"]
            .as_array()
            .expect("a list of objectives");
        Self {
            seed: number("seed"),
            mode: world["mode"].as_str().expect("a mode").to_owned(),
            base: number("base"),
            rug: number("rug"),
            val_space: number("val_space"),
            sparse: number("obj_sparse") == 1,
            objectives: objectives
                .iter()
                .map(|name| name.as_str().expect("an objective's name").to_owned())
                .collect(),
        }
    }

    /// A numerator as the score it stands for.
    pub(crate) fn score(&self, numerator: u64) -> f64 {
        let denominator = match self.mode.as_str() {
            "binary" => 1,
            "quarter" => 4,
            _ => 25_u64 << 44,
        };
        numerator as f64 / denominator as f64
    }

    /// The objective scores of a candidate on a validation example.
    pub(crate) fn objective_scores(&self, texts: &[String], id: u64) -> Vec<(&str, f64)> {
        let key = id.wrapping_add(self.val_space << 32);
        let genes: Vec<u64> = texts
            .iter()
            .map(|text| text[1..].parse().expect("a gene text"))
            .collect();
        (0..self.objectives.len() as u64)
            .filter(|&one| {
                !(self.sparse && one >= 1 && self.hash(&[9, key, one]).is_multiple_of(4))
            })
            .map(|one| {
                let numerator = self.numerator(&genes, key, 1 + one);
                (
                    self.objectives[one as usize].as_str(),
                    self.score(numerator),
                )
            })
            .collect()
    }

    fn numerator(&self, genes: &[u64], key: u64, channel: u64) -> u64 {
        let mut sum = 0;
        let mut arguments = vec![5, key, channel];
        for slot in 0..4 {
            let hash = self.hash(&[2, key, channel, slot]);
            let component = hash % genes.len() as u64;
            let gene = (hash >> 8) & 15;
            let mut target = self.hash(&[1, component, gene]) & 15;
            if (hash >> 16).is_multiple_of(4) {
                target ^= (hash >> 20) & 15;
            }
            let nibble = (genes[component as usize] >> (4 * gene)) & 15;
            sum += 4 - u64::from((nibble ^ target).count_ones());
            arguments.push(nibble);
        }
        let noise = self.hash(&arguments);
        sum += noise % (self.rug + 1);
        match self.mode.as_str() {
            "binary" => u64::from(sum >= self.base + self.hash(&[4, key, channel]) % 5),
            "quarter" => sum
                .checked_sub(self.base)
                .map_or(0, |above| (above / 2).min(4)),
            _ => (sum << 44) + (noise >> 20),
        }
    }

    fn hash(&self, arguments: &[u64]) -> u64 {
        arguments
            .iter()
            .fold(mix(self.seed), |hash, argument| mix(hash ^ argument))
    }
}

fn mix(value: u64) -> u64 {
    let stepped = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let first = (stepped ^ (stepped >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let second = (first ^ (first >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    second ^ (second >> 31)
}
