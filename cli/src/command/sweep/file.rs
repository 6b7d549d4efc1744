//! A sweep file, and the runs that it describes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gepa_models::read_text;
use serde::Deserialize;
use toml::{Table, Value};

/// Largest sweep file, in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// The most runs of a sweep.
const MOST_RUNS: usize = 1_000;

/// A sweep file as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    config: PathBuf,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    parallel: Option<usize>,
    seeds: Vec<u64>,
    #[serde(default)]
    budget: Total,
    #[serde(default)]
    grid: Table,
    #[serde(default)]
    list: Vec<Table>,
}

/// Limits over all runs.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "they are the keys of `[budget]`")]
pub(super) struct Total {
    pub(super) max_rollouts: Option<u64>,
    pub(super) max_tokens: Option<u64>,
    pub(super) max_cost_usd: Option<f64>,
}

/// Settings that differ from those of the config, as `--set` takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) overrides: Vec<String>,
}

/// A sweep.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) name: String,
    pub(super) config: PathBuf,
    pub(super) parallel: usize,
    pub(super) seeds: Vec<u64>,
    pub(super) settings: Vec<Setting>,
    pub(super) total: Total,
}

impl Setting {
    /// What it is called in tables.
    pub(super) fn label(&self) -> String {
        if self.overrides.is_empty() {
            return "the config".to_owned();
        }
        self.overrides.join(", ")
    }
}

impl Sweep {
    /// The number of runs.
    pub(super) fn runs(&self) -> usize {
        self.settings.len() * self.seeds.len()
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Every problem of the file, one a line.
    pub(super) fn read(file: &Path) -> Result<Self, Vec<String>> {
        let shown = file.display();
        let text = read_text(file, LARGEST_FILE).map_err(|error| {
            vec![format!(
                "{shown}: cannot be read ({error}); give the path of a sweep file"
            )]
        })?;
        let stem = file.file_stem().map(|stem| stem.to_string_lossy());
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &stem.unwrap_or_default(), folder).map_err(|problems| {
            let problems = problems.into_iter();
            problems
                .map(|problem| format!("{shown}: {problem}"))
                .collect()
        })
    }

    fn parse(text: &str, stem: &str, folder: &Path) -> Result<Self, Vec<String>> {
        let typed: Typed =
            toml::from_str(text).map_err(|error| vec![error.to_string().trim_end().to_owned()])?;
        let mut problems = Vec::new();
        let name = typed.name.unwrap_or_else(|| stem.to_owned());
        if name.trim().is_empty() || name.chars().count() > 60 || name.chars().any(char::is_control)
        {
            problems.push("`name` has 1 to 60 characters on one line".to_owned());
        }
        if typed.seeds.is_empty() {
            problems.push(
                "`seeds` is empty; name at least one, for example `seeds = [1, 2, 3]`".to_owned(),
            );
        }
        if typed.seeds.iter().collect::<BTreeSet<_>>().len() < typed.seeds.len() {
            problems.push("`seeds` names a seed twice".to_owned());
        }
        if typed.parallel == Some(0) {
            problems.push("`parallel` is 0; at least one run must run".to_owned());
        }
        if typed
            .budget
            .max_cost_usd
            .is_some_and(|limit| !limit.is_finite() || limit <= 0.0)
        {
            problems.push("`budget.max_cost_usd` must be a number above 0".to_owned());
        }
        let settings = settings(&typed.grid, &typed.list, &typed.budget, &mut problems);
        let sweep = Self {
            name,
            config: folder.join(typed.config),
            parallel: typed.parallel.unwrap_or(1),
            seeds: typed.seeds,
            settings,
            total: typed.budget,
        };
        if sweep.runs() > MOST_RUNS {
            problems.push(format!(
                "it has {} runs; {MOST_RUNS} are the most",
                sweep.runs()
            ));
        }
        if problems.is_empty() {
            Ok(sweep)
        } else {
            Err(problems)
        }
    }
}

fn settings(
    grid: &Table,
    list: &[Table],
    total: &Total,
    problems: &mut Vec<String>,
) -> Vec<Setting> {
    let mut combined = vec![Setting {
        overrides: Vec::new(),
    }];
    let mut axes = Vec::new();
    flatten(grid, "", &mut axes);
    for (key, value) in &axes {
        check_key(key, total, problems);
        let values = match value {
            Value::Array(values) if !values.is_empty() => values,
            _ => {
                problems.push(format!(
                    "`grid.{key}` is no list of values; write for example `[1, 2]`"
                ));
                continue;
            }
        };
        combined = combined
            .iter()
            .flat_map(|before| {
                values.iter().map(|value| {
                    let mut overrides = before.overrides.clone();
                    overrides.push(format!("{key}={value}"));
                    Setting { overrides }
                })
            })
            .take(MOST_RUNS + 1)
            .collect();
    }
    if axes.is_empty() && !list.is_empty() {
        combined.clear();
    }
    for table in list {
        let mut keys = Vec::new();
        flatten(table, "", &mut keys);
        for (key, _) in &keys {
            check_key(key, total, problems);
        }
        combined.push(Setting {
            overrides: keys
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect(),
        });
    }
    for (place, setting) in combined.iter().enumerate() {
        if combined[..place].contains(setting) {
            problems.push(format!(
                "the setting `{}` stands there twice",
                setting.label()
            ));
        }
    }
    combined
}

/// Keys that a sweep sets itself.
fn check_key(key: &str, total: &Total, problems: &mut Vec<String>) {
    let shared = [
        ("budget.max_rollouts", total.max_rollouts.is_some()),
        ("budget.max_tokens", total.max_tokens.is_some()),
        ("budget.max_cost_usd", total.max_cost_usd.is_some()),
    ];
    let problem = match key {
        "run.seed" => Some("`run.seed` cannot be a setting; `seeds` lists the seeds".to_owned()),
        "run.name" => Some("`run.name` cannot be a setting; `name` names the sweep".to_owned()),
        _ => shared
            .iter()
            .find(|(shared, is_set)| *shared == key && *is_set)
            .map(|(key, _)| {
                format!("`{key}` cannot be a setting where `[budget]` of the sweep has it: runs get equal shares")
            }),
    };
    problems.extend(problem);
}

/// Tables by dotted keys, so that `[grid.search]` means the same as `"search.parent"` in `[grid]`.
fn flatten(table: &Table, path: &str, found: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match value {
            Value::Table(inner) => flatten(inner, &key, found),
            other => found.push((key, other.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Result<Vec<String>, Vec<String>> {
        let sweep = Sweep::parse(text, "stem", Path::new("folder"))?;
        Ok(sweep.settings.iter().map(Setting::label).collect())
    }

    #[test]
    fn settings_are_the_combinations_of_the_grid_and_then_the_list() {
        let begin = "config = \"c.toml\"\nseeds = [1, 2]\n";
        let grid = "[grid]\n\"a.b\" = [1, 2]\n[grid.c]\nd = [\"x\", \"y\"]\n";
        let list = "[[list]]\n\"a.b\" = 7\n[[list]]\n";
        let all = labels(&format!("{begin}{grid}{list}")).unwrap();
        let expected = [
            "a.b=1, c.d=\"x\"",
            "a.b=1, c.d=\"y\"",
            "a.b=2, c.d=\"x\"",
            "a.b=2, c.d=\"y\"",
            "a.b=7",
            "the config",
        ];
        assert_eq!(all, expected);
        assert_eq!(
            labels(&format!("{begin}{list}")).unwrap(),
            ["a.b=7", "the config"]
        );
        assert_eq!(labels(begin).unwrap(), ["the config"]);
        let sweep = Sweep::parse(begin, "stem", Path::new("folder")).unwrap();
        assert_eq!((sweep.name.as_str(), sweep.runs()), ("stem", 2));
        assert_eq!(sweep.config, Path::new("folder/c.toml"));
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let text = "config = \"c.toml\"\nname = \"\"\nseeds = [1, 1]\nparallel = 0\n\
                    [budget]\nmax_rollouts = 100\n[grid]\n\"run.seed\" = [1]\n\"a\" = 3\n\
                    \"budget.max_rollouts\" = [1]\n[[list]]\nx = 1\n[[list]]\nx = 1\n";
        let problems = labels(text).unwrap_err().join("\n");
        for named in [
            "`name`",
            "twice",
            "`parallel`",
            "`run.seed`",
            "`grid.a`",
            "`budget.max_rollouts`",
            "`x=1`",
        ] {
            assert!(problems.contains(named), "{named}: {problems}");
        }
        for (broken, named) in [
            ("seeds = [1]", "config"),
            ("config = \"c\"\nseeds = []\nsed = 1", "sed"),
        ] {
            let problems = labels(broken).unwrap_err().join("\n");
            assert!(problems.contains(named), "{problems}");
        }
    }
}
