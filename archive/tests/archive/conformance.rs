//! Recorded decisions of the reference implementation: every front, parent and merge of its runs.
//!
//! The recordings are looked for in `GEPA_CONFORMANCE_DIR`, by default `../shared/conformance`
//! beside the workspace; without them the tests say so and pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use gepa_archive::{
    Archive, ArchiveSettings, Candidate, CandidateIndex, FrontKey, Frontier, InstanceIndex,
    InstanceScore, MergeLog, MergeSettings, Origin, ParentRule, ScoreRow, plan_merge,
};
use gepa_testing::{MersenneTwister, World, report_skip};
use serde_json::{Value, json};

pub(crate) fn directory() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let given = std::env::var_os("GEPA_CONFORMANCE_DIR").map_or(beside, PathBuf::from);
    if given.is_dir() {
        return Some(given);
    }
    report_skip("no conformance recordings, set GEPA_CONFORMANCE_DIR to their directory");
    None
}

#[test]
fn recorded_runs_are_decided_alike() {
    let Some(directory) = directory() else { return };
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there are recordings");
    let (mut parents, mut merges) = (0, 0);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let records: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (header, rest) = records.split_first().expect("a header");
        let (footer, iterations) = rest.split_last().expect("a footer");
        let mut replay = Replay::new(header);
        for iteration in iterations {
            replay.iterate(iteration);
        }
        replay.finish(footer);
        parents += replay.parents_checked;
        merges += replay.merges_checked;
    }
    assert!(
        parents > 1000 && merges > 100,
        "{parents} parents, {merges} merges"
    );
}

/// One recorded run, decided again by an archive.
struct Replay {
    name: String,
    config: Value,
    world: World,
    components: Vec<String>,
    val_ids: Vec<u64>,
    archive: Archive,
    generator: MersenneTwister,
    selector: ParentRule,
    log: MergeLog,
    /// Which validation scores a cache would hold, by candidate texts.
    cached: BTreeMap<Vec<String>, BTreeSet<u64>>,
    parents_checked: usize,
    merges_checked: usize,
}

impl Replay {
    fn new(header: &Value) -> Self {
        let config = header["config"].clone();
        let frontier: Frontier = serde_json::from_value(config["frontier"].clone()).unwrap();
        let selector = match config["selector"].as_str().unwrap() {
            "pareto" => ParentRule::Pareto,
            "current_best" => ParentRule::CurrentBest,
            "epsilon_greedy" => ParentRule::EpsilonGreedy { epsilon: 0.1 },
            _ => ParentRule::TopKPareto { k: 5 },
        };
        let mut replay = Self {
            name: header["name"].as_str().unwrap().to_owned(),
            world: serde_json::from_value(header["world"].clone()).unwrap(),
            components: strings(&header["components"]),
            val_ids: numbers(&header["val_ids"]),
            archive: Archive::new(ArchiveSettings {
                frontier,
                ..ArchiveSettings::default()
            }),
            generator: MersenneTwister::new(config["seed"].as_u64().unwrap()),
            selector,
            log: MergeLog::default(),
            cached: BTreeMap::new(),
            config,
            parents_checked: 0,
            merges_checked: 0,
        };
        let scores = numbers(&header["seed_val"]);
        let mean = &header["seed_mean"];
        replay.add(
            &strings(&header["seed_candidate"]),
            vec![],
            &scores,
            mean,
            &header["seed_obj"],
        );
        replay
    }

    /// The first draw of an iteration is the merge's if there is one, then the first parent's.
    fn iterate(&mut self, record: &Value) {
        if let Some(merge) = record.get("merge") {
            self.check_merge(merge);
        }
        if let Some(tasks) = record["tasks"].as_array() {
            let parent = self.archive.select(&self.selector, &mut self.generator);
            let recorded = tasks[0]["p"].as_u64().map(|id| CandidateIndex(id as u32));
            assert_eq!(parent, recorded, "{} {}: parent", self.name, record["i"]);
            self.parents_checked += 1;
            self.commit(tasks);
        }
        assert_eq!(json!(self.archive.len()), record["N"]);
        assert_eq!(
            json!(self.digest()),
            record["front"],
            "{} {}: front",
            self.name,
            record["i"]
        );
        self.generator.skip_to(record["w"].as_u64().unwrap());
    }

    /// Adds the accepted children, in the order of their indices.
    fn commit(&mut self, tasks: &[Value]) {
        for task in tasks {
            let batch = numbers(&task["mb"]);
            self.note_cached(self.texts(&task["p"]), &batch);
            if task.get("a").is_some() {
                self.note_cached(self.child_texts(task), &batch);
            }
        }
        let mut accepted: Vec<&Value> = tasks
            .iter()
            .filter(|task| task.get("new").is_some())
            .collect();
        accepted.sort_by_key(|task| task["new"].as_u64());
        let children: Vec<_> = accepted
            .into_iter()
            .map(|task| (task, self.child_texts(task)))
            .collect();
        for (task, texts) in children {
            let parent = CandidateIndex(task["p"].as_u64().unwrap() as u32);
            self.add(
                &texts,
                vec![parent],
                &numbers(&task["val"]),
                &task["mean"],
                &task["obj"],
            );
        }
    }

    fn check_merge(&mut self, record: &Value) {
        let floor = self.config["merge_val_overlap_floor"].as_u64().unwrap() as usize;
        let settings = MergeSettings {
            overlap_floor: floor,
        };
        let plan = plan_merge(&self.archive, &mut self.log, settings, &mut self.generator);
        assert_eq!(
            json!(self.generator.drawn()),
            record["w"],
            "{}: words",
            self.name
        );
        self.merges_checked += 1;
        if record["r"] == "none" {
            assert_eq!(plan, None, "{}", self.name);
            return;
        }
        let plan = plan.expect("the recorded run found a merge");
        let subset: Vec<u64> = plan.subset.iter().map(|id| u64::from(id.0)).collect();
        let texts: Vec<String> = self
            .components
            .iter()
            .map(|name| {
                plan.candidate
                    .text(name)
                    .expect("the same components")
                    .to_string()
            })
            .collect();
        let sums = ["s1", "s2"].map(|key| {
            numbers(&record[key])
                .iter()
                .fold(0.0, |sum, &one| sum + self.world.score(one))
        });
        assert_eq!(json!(plan.parents), record["pair"]);
        assert_eq!(json!(plan.ancestor), record["anc"]);
        assert_eq!(json!(texts), record["txt"]);
        assert_eq!(json!(subset), record["sub"]);
        assert_eq!(plan.parent_sums, sums);
        self.note_cached(texts.clone(), &subset);
        if record["r"] == "accept" {
            let parents = plan.parents.to_vec();
            let scores = numbers(&record["val"]);
            self.add(&texts, parents, &scores, &record["mean"], &record["obj"]);
        }
    }

    fn add(
        &mut self,
        texts: &[String],
        parents: Vec<CandidateIndex>,
        numerators: &[u64],
        mean: &Value,
        objective_means: &Value,
    ) {
        let is_seed = parents.is_empty();
        let hits = self.cached.get(texts).cloned().unwrap_or_default();
        let mut order: Vec<usize> = (0..self.val_ids.len()).collect();
        if self.config["cache"] == true {
            order.sort_by_key(|&at| !hits.contains(&self.val_ids[at]));
        }
        let entries = order
            .into_iter()
            .map(|at| InstanceScore {
                instance: InstanceIndex(self.val_ids[at] as u32),
                score: self.world.score(numerators[at]),
                objectives: self
                    .world
                    .objective_scores(texts, self.world.validation_key(self.val_ids[at]))
                    .into_iter()
                    .map(|(name, score)| (Arc::from(name), score))
                    .collect(),
            })
            .collect();
        let row = ScoreRow::new(entries).unwrap();
        assert_eq!(json!(hex(row.mean())), *mean, "{}: mean", self.name);
        for (objective, &value) in row.objective_means() {
            assert_eq!(
                json!(hex(value)),
                objective_means[&**objective],
                "{}",
                self.name
            );
        }
        let named = self
            .components
            .iter()
            .map(String::as_str)
            .zip(texts.iter().map(String::as_str));
        let candidate = Arc::new(Candidate::new(named).unwrap());
        self.archive
            .insert(candidate, parents, Origin::Reflection, &row)
            .unwrap();
        if !is_seed {
            let all = self.val_ids.clone();
            self.note_cached(texts.to_vec(), &all);
        }
    }

    fn note_cached(&mut self, texts: Vec<String>, ids: &[u64]) {
        self.cached.entry(texts).or_default().extend(ids);
    }

    fn texts(&self, index: &Value) -> Vec<String> {
        let index = CandidateIndex(index.as_u64().unwrap() as u32);
        let entry = self.archive.get(index).expect("a recorded parent");
        entry
            .candidate
            .components()
            .values()
            .map(ToString::to_string)
            .collect()
    }

    fn child_texts(&self, task: &Value) -> Vec<String> {
        let mut texts = self.texts(&task["p"]);
        for (name, text) in self.components.iter().zip(&mut texts) {
            if let Some(rewritten) = task["nt"][name.as_str()].as_str() {
                rewritten.clone_into(text);
            }
        }
        texts
    }

    /// FNV-1a over the fronts as text.
    fn digest(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for front in self.archive.fronts() {
            let ids: Vec<String> = front.members.iter().map(ToString::to_string).collect();
            for byte in format!("{}:{};", name_of(&front.key), ids.join(",")).bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }

    fn finish(&self, footer: &Value) {
        assert_eq!(
            json!(self.archive.best()),
            footer["best_idx"],
            "{}: best",
            self.name
        );
        let fronts: Vec<Value> = self
            .archive
            .fronts()
            .iter()
            .map(|front| json!([name_of(&front.key), front.members]))
            .collect();
        assert_eq!(json!(fronts), footer["front"], "{}: fronts", self.name);
        assert_eq!(
            json!(self.generator.drawn()),
            footer["rng_words"],
            "{}: words",
            self.name
        );
    }
}

fn name_of(key: &FrontKey) -> String {
    match key {
        FrontKey::Instance(id) => format!("v{id}"),
        FrontKey::Objective(name) => format!("o{name}"),
        FrontKey::Cartesian(id, name) => format!("c{id}/{name}"),
    }
}

fn strings(values: &Value) -> Vec<String> {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

fn numbers(values: &Value) -> Vec<u64> {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_u64().unwrap())
        .collect()
}

pub(crate) fn hex(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}
