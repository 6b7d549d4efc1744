//! The config that a run stored, as the text of a file that can be run again.

use std::path::Path;

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::submitted::to_toml;

/// Keys that name files, wherever they stand.
const FILES: [&str; 6] = [
    "path",
    "paths",
    "files",
    "pattern_file",
    "template_file",
    "prices_file",
];
/// The folder of a program, and the key that says that a table describes a program.
const FOLDER: &str = "directory";
const PROGRAM: &str = "command";

/// The config of a run, from what the run stored ([`crate::TaskConfig::described`]), as TOML. Relative paths
/// are made absolute, so the text works in any folder. `limits` takes the place of `[budget]`: those in force,
/// where they differ from the first ones. `None` if nothing readable is stored.
pub fn stored_as_toml(stored: &Json, limits: Option<&Json>) -> Option<String> {
    let Value::Table(mut table) = to_toml(stored.get("settings")?)? else {
        return None;
    };
    if let Some(Value::Table(limits)) = limits.and_then(to_toml) {
        table.insert("budget".to_owned(), Value::Table(limits));
    }
    if let Some(folder) = stored.get("directory").and_then(Json::as_str) {
        make_absolute(&mut table, Path::new(folder));
    }
    toml::to_string_pretty(&table).ok()
}

fn make_absolute(table: &mut Table, folder: &Path) {
    if table.get(PROGRAM).is_some_and(Value::is_array) {
        let own = table.get(FOLDER).and_then(Value::as_str);
        let place = folder.join(own.unwrap_or_default());
        table.insert(FOLDER.to_owned(), text(&place));
    }
    for (name, value) in table.iter_mut() {
        if FILES.contains(&name.as_str()) {
            place_in(value, folder);
        } else {
            visit(value, folder);
        }
    }
}

fn visit(value: &mut Value, folder: &Path) {
    match value {
        Value::Table(table) => make_absolute(table, folder),
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, folder)),
        _ => {}
    }
}

fn place_in(value: &mut Value, folder: &Path) {
    match value {
        Value::String(path) => *value = text(&folder.join(path.as_str())),
        Value::Array(paths) => paths.iter_mut().for_each(|path| place_in(path, folder)),
        _ => {}
    }
}

fn text(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(settings: &Json, limits: Option<&Json>, expected: &str) {
        let stored = json!({"directory": "/work", "settings": settings});
        let written = stored_as_toml(&stored, limits).unwrap();
        assert_eq!(written.trim(), expected);
    }

    #[test]
    fn paths_are_absolute_and_null_is_left_out() {
        check(
            &json!({"dataset": {"path": "rows.csv", "answer": null}}),
            None,
            "[dataset]\npath = \"/work/rows.csv\"",
        );
        check(
            &json!({"dataset": {"split": {"train": {"files": ["a.csv", "/b.csv"]}}}}),
            None,
            "[dataset.split.train]\nfiles = [\n    \"/work/a.csv\",\n    \"/b.csv\",\n]",
        );
    }

    #[test]
    fn a_program_keeps_its_folder() {
        check(
            &json!({"evaluator": {"command": ["python3"], "directory": "tools"}}),
            None,
            "[evaluator]\ncommand = [\"python3\"]\ndirectory = \"/work/tools\"",
        );
        check(
            &json!({"scorer": {"command": ["./score"]}}),
            None,
            "[scorer]\ncommand = [\"./score\"]\ndirectory = \"/work/\"",
        );
    }

    #[test]
    fn limits_in_force_take_the_place_of_the_first_ones() {
        check(
            &json!({"budget": {"max_rollouts": 10}}),
            Some(&json!({"max_rollouts": 20, "max_tokens": null})),
            "[budget]\nmax_rollouts = 20",
        );
    }
}
