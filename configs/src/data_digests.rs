//! Digests of what a run reads besides its config: rows, files of texts, programs. They are stored with the
//! run, so that a run that goes on later compares only what can be compared.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gepa_engine::{ExampleSets, Problem};
use gepa_evaluation::ExampleId;
use gepa_models::open_named;
use gepa_tasks::dataset::{Dataset, DatasetSettings, Row};
use serde_json::{Map, Value as Json, json};

use crate::difference::Difference;
use crate::leaves::{flatten, json as json_of, names_file};
use crate::raw::RawConfig;

/// Hexadecimal digits of a row's digest. A change goes unnoticed once in four billion.
const ROW_DIGITS: usize = 8;
/// Larger files are no programs and no texts.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;
/// Programs whose own bytes say nothing about the program that they run.
const INTERPRETERS: [&str; 16] = [
    "python", "pypy", "uv", "poetry", "sh", "bash", "dash", "zsh", "env", "node", "deno", "bun",
    "ruby", "perl", "Rscript", "java",
];
/// Rows that a message names.
const MOST_NAMED: usize = 10;

/// The digests, as they are stored with a run.
pub(crate) fn digests(
    raw: &RawConfig,
    directory: &Path,
    dataset: Option<&Dataset>,
    sets: &ExampleSets,
) -> Json {
    let mut data = Map::new();
    if let Some(dataset) = dataset {
        data.insert("rows".to_owned(), json!(rows(dataset, sets)));
    }
    if let Some(whole) = raw
        .dataset
        .as_ref()
        .and_then(|dataset| whole(dataset, directory))
    {
        data.insert("dataset".to_owned(), Json::String(whole));
    }
    let files = files(raw, directory);
    if !files.is_empty() {
        data.insert("files".to_owned(), Json::Object(files));
    }
    Json::Object(data)
}

/// What has changed since the run stored its digests. A run of an earlier version stored none.
pub(crate) fn changes(before: &Json, after: &Json, sets: &ExampleSets) -> Vec<Difference> {
    let mut changes = Vec::new();
    let rows = |data: &Json| data.get("rows").and_then(Json::as_str).map(str::to_owned);
    if let (Some(old), Some(new)) = (rows(before), rows(after)) {
        changes.extend(changed_rows(&old, &new, sets));
    }
    let files = |data: &Json| data.get("files").and_then(Json::as_object).cloned();
    let new = files(after).unwrap_or_default();
    for (path, digest) in files(before).unwrap_or_default() {
        // Another path is another value of its key, which is compared elsewhere.
        if new.get(&path).is_some_and(|now| *now != digest) {
            changes.push(Difference {
                key: path,
                before: "the file the run began with".to_owned(),
                after: "a changed file".to_owned(),
            });
        }
    }
    changes
}

/// What an app says about itself that differs from what it said when the run began. A fact that only one
/// of the two has says nothing.
pub(crate) fn changed_app(before: &Json, now: &Json) -> Vec<Difference> {
    let facts = |app: &Json| app.as_object().cloned().unwrap_or_default();
    let now = facts(now);
    let changed = facts(before).into_iter().filter_map(|(name, before)| {
        let after = now.get(&name)?;
        (*after != before).then(|| Difference {
            key: format!("evaluator.url ({name} of the task app)"),
            before: words(&before),
            after: words(after),
        })
    });
    changed.collect()
}

fn words(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// One digest of all files of a data set, whichever of their rows are in sets: it says whether another
/// run had the same rows.
fn whole(dataset: &DatasetSettings, directory: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    for file in dataset.files() {
        let mut opened = open_named(&directory.join(file)).ok()?;
        std::io::copy(&mut opened, &mut hasher).ok()?;
    }
    Some(hasher.finalize().to_hex()[..4 * ROW_DIGITS].to_owned())
}

fn changed_rows(old: &str, new: &str, sets: &ExampleSets) -> Option<Difference> {
    let pieces = |text: &str| -> Vec<String> {
        let digits: Vec<char> = text.chars().collect();
        digits
            .chunks(ROW_DIGITS)
            .map(|piece| piece.iter().collect())
            .collect()
    };
    let (old, new) = (pieces(old), pieces(new));
    if old == new {
        return None;
    }
    // A row that came or went moves others to another place or set, which does not change them.
    let known: BTreeSet<&String> = old.iter().collect();
    let rows = new.iter().zip(ids(sets));
    let changed = rows.filter(|(row, _)| !known.contains(row));
    let changed: Vec<String> = changed.map(|(_, id)| id.to_string()).collect();
    let moved = old.iter().zip(&new).filter(|(old, new)| old != new).count();
    let moved = moved.saturating_sub(changed.len());
    let mut after = vec![format!("{} rows", new.len())];
    if !changed.is_empty() {
        let named = changed.iter().take(MOST_NAMED).map(String::as_str);
        let named = named.collect::<Vec<_>>().join(", ");
        let more = if changed.len() > MOST_NAMED {
            " and others"
        } else {
            ""
        };
        after.push(format!("{} new or changed ({named}{more})", changed.len()));
    }
    if moved > 0 {
        after.push(format!("{moved} in another place or set"));
    }
    Some(Difference {
        key: "dataset.path".to_owned(),
        before: format!("{} rows", old.len()),
        after: after.join(", "),
    })
}

/// The digests of the rows of the three sets, one after the other.
fn rows(dataset: &Dataset, sets: &ExampleSets) -> String {
    let rows = ids(sets).filter_map(|id| dataset.row(id));
    rows.map(row_digest).collect()
}

fn ids(sets: &ExampleSets) -> impl Iterator<Item = &ExampleId> {
    sets.train
        .iter()
        .chain(&sets.pareto)
        .chain(&sets.validation)
}

fn row_digest(row: &Row) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for column in row.columns() {
        add(column);
        add(row.text(column).unwrap_or_default());
    }
    add(row.answer().unwrap_or_default());
    hasher.finalize().to_hex()[..ROW_DIGITS].to_owned()
}

/// The digests of files that texts and programs are read from, by path as written.
fn files(raw: &RawConfig, directory: &Path) -> Map<String, Json> {
    let leaves = leaves(raw);
    let mut files = Map::new();
    for (key, value) in &leaves {
        match value {
            Json::String(path) if names_file(key) && key != "dataset.path" => {
                note(&mut files, directory, path);
            }
            _ => {}
        }
    }
    for command in commands(&leaves, directory) {
        for path in command.candidates() {
            note(&mut files, &command.folder, &path);
        }
    }
    files
}

/// Notes on commands of which no file was found that a changed program would change.
pub(crate) fn unread_programs(raw: &RawConfig, directory: &Path) -> Vec<Problem> {
    let leaves = leaves(raw);
    let unread = commands(&leaves, directory).into_iter().filter(|command| {
        let mut paths = command.candidates().into_iter();
        !paths.any(|path| !is_interpreter(&path) && is_small_file(&command.folder.join(path)))
    });
    let notes = unread.map(|command| {
        let text = "names no file beside the config, so a run that is resumed cannot notice that the program \
                    was changed; name its file in the command";
        Problem::new(command.key, text)
    });
    notes.collect()
}

fn leaves(raw: &RawConfig) -> Vec<(String, Json)> {
    let mut leaves = Vec::new();
    flatten("", &json_of(raw), &mut leaves);
    leaves
}

/// A command of the config, and the folder that it runs in.
struct ProgramCommand {
    key: String,
    words: Vec<String>,
    folder: PathBuf,
}

fn commands(leaves: &[(String, Json)], directory: &Path) -> Vec<ProgramCommand> {
    let commands = leaves.iter().filter_map(|(key, value)| {
        let words = value.as_array().filter(|_| key.ends_with("command"))?;
        let sibling = key.trim_end_matches("command").to_owned() + "directory";
        let folder = leaves.iter().find(|(name, _)| *name == sibling);
        let folder = folder.and_then(|(_, folder)| folder.as_str());
        let words = words.iter().filter_map(Json::as_str).map(str::to_owned);
        Some(ProgramCommand {
            key: key.clone(),
            words: words.collect(),
            folder: directory.join(folder.unwrap_or_default()),
        })
    });
    commands.collect()
}

impl ProgramCommand {
    /// Paths that may lead to the text of the program: its words, the words inside of each, as `sh -c` has
    /// them, and the files of modules, as `python -m` has them.
    fn candidates(&self) -> Vec<String> {
        let is_end = |c: char| c.is_whitespace() || ";|&()<>'\"`=".contains(c);
        let mut words: Vec<&str> = Vec::new();
        for word in &self.words {
            words.push(word);
            if word.contains(is_end) {
                words.extend(word.split(is_end).filter(|part| !part.is_empty()));
            }
        }
        let mut paths: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let modules = words.windows(2).filter(|pair| pair[0] == "-m");
        for module in modules.map(|pair| pair[1].replace('.', "/")) {
            paths.push(format!("{module}.py"));
            paths.push(format!("{module}/__main__.py"));
            paths.push(format!("{module}/__init__.py"));
        }
        paths.dedup();
        paths
    }
}

/// Whether a path is that of a program that runs the programs of others.
fn is_interpreter(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.contains(&name)
}

/// Adds a file's digest. A word that names no readable file is an option or a program of the system.
fn note(files: &mut Map<String, Json>, folder: &Path, path: &str) {
    let place = folder.join(path);
    if is_small_file(&place)
        && let Ok(bytes) = std::fs::read(&place)
    {
        let digest = blake3::hash(&bytes).to_hex()[..2 * ROW_DIGITS].to_owned();
        files.insert(path.to_owned(), Json::String(digest));
    }
}

fn is_small_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], file: &str) {
        let command = ProgramCommand {
            key: String::new(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            folder: PathBuf::new(),
        };
        let paths = command.candidates();
        assert!(paths.iter().any(|path| path == file), "{paths:?}");
    }

    #[test]
    fn a_program_is_found_where_commands_name_it() {
        check(&["python3", "score.py"], "score.py");
        check(&["sh", "-c", "exec python3 -u score.py --fast"], "score.py");
        check(
            &["sh", "-c", "cd . && (X=1 python3 'a/score.py')"],
            "a/score.py",
        );
        check(&["python3", "-m", "scoring"], "scoring.py");
        check(&["python3", "-m", "scoring.main"], "scoring/main.py");
        check(
            &["uv", "run", "python", "-m", "scoring"],
            "scoring/__main__.py",
        );
        check(&["sh", "-c", "python3 -m scoring"], "scoring.py");
    }
}
