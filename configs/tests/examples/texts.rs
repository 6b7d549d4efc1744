//! What `[texts.NAME]` demands, held against the seed.

use gepa_configs::{ConfigError, TaskConfig};

use crate::support::Task;

fn load(demands: &str) -> Result<TaskConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let task = Task {
        system: "Answer. <keep>One word.</keep> Call look_up.",
        ..Task::default()
    };
    std::fs::write(folder.path().join(task.file), task.data).unwrap();
    task.edited_in(folder.path(), |config| {
        format!("{config}[texts.instruction]\n{demands}\n")
    })
}

#[track_caller]
fn check_refused(demands: &str, parts: &[&str]) {
    let error = load(demands).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_seed_text_that_breaks_its_own_rules_is_refused_with_the_rule() {
    check_refused(
        "frozen = ['Two words.']",
        &[
            "config.toml:",
            "texts.instruction",
            "lost the frozen part \"Two words.\"",
        ],
    );
    check_refused("required = ['look']", &["lost the required name `look`"]);
    check_refused(
        "forbidden = ['(?i)answer']",
        &["has \"Answer\", which the pattern `(?i)answer` forbids"],
    );
    check_refused("max_tokens = 2", &["about 11 tokens", "2 are allowed"]);
    check_refused("max_chars = 10", &["44 characters, 10 are allowed"]);
}

#[test]
fn rules_that_mean_nothing_are_refused() {
    check_refused(
        "forbidden = ['(a']",
        &["texts.instruction.forbidden", "unclosed group"],
    );
    check_refused("forbidden = ['a*']", &["matches the empty text"]);
    check_refused(
        "required = [' ']",
        &["texts.instruction.required", "empty entry"],
    );
    check_refused(
        "max_tokens = 0",
        &["texts.instruction.max_tokens", "at least 1"],
    );
    check_refused(
        "frozen_marks = ['<a>', '</a>']",
        &["are not in the seed text"],
    );
    check_refused(
        "frozn = ['a']",
        &["texts.instruction.frozn", "did you mean `frozen`"],
    );
    check_refused(
        "[texts.other]\nmax_chars = 9",
        &["texts.other", "has: instruction"],
    );
}

#[test]
fn marks_are_taken_out_of_seed_and_prompt() {
    let task = load("frozen_marks = ['<keep>', '</keep>']").unwrap();
    let plain = "Answer. One word. Call look_up.";
    assert_eq!(&**task.config.seed().text("instruction").unwrap(), plain);
    assert_eq!(task.config.prompt().messages[0].pattern, plain);
    let mut settings = task.config.settings().clone();
    settings.run.seed = 7;
    let again = task.config.with_settings(settings.clone()).unwrap();
    assert_eq!(again.seed(), task.config.seed());
    settings.texts.clear();
    let without = task.config.with_settings(settings).unwrap();
    assert_eq!(without.seed(), task.config.seed());
    assert_eq!(without.prompt(), task.config.prompt());
}

/// The config with another seed text, as TOML writes it.
fn with_seed_text(written: &str) -> Result<TaskConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data.csv"), Task::default().data).unwrap();
    Task::default().edited_in(folder.path(), |config| {
        config.replacen("pattern = 'Answer.'", &format!("pattern = {written}"), 1)
    })
}

#[test]
fn control_characters_in_seed_texts_are_refused_with_their_line() {
    for (written, found) in [
        (
            r#""one\u0000two""#,
            "the control character U+0000 in line 1",
        ),
        (
            r#""one\ntwo\rthree""#,
            "a carriage return without a line feed in line 2",
        ),
        (
            r#""\u001B[1mone""#,
            "the control character U+001B in line 1",
        ),
    ] {
        let error = with_seed_text(written).unwrap_err().to_string();
        let expected = format!("`prompt.messages[0]` has {found}; take it out");
        assert!(error.contains(&expected), "{error}");
    }
    let seeds = |config: String| format!("{config}[[seeds]]\ninstruction = \"a\\u0007b\"\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data.csv"), Task::default().data).unwrap();
    let error = Task::default().edited_in(folder.path(), seeds).unwrap_err();
    let expected = "`seeds[0].instruction` has the control character U+0007 in line 1";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_config_may_be_saved_with_any_line_ends() {
    let text = |task: TaskConfig| task.config.seed().text("instruction").unwrap().to_string();
    let written = "\"\"\"One.\r\nTwo.\t\"\"\"";
    assert_eq!(text(with_seed_text(written).unwrap()), "One.\r\nTwo.\t");
    let escaped = r#""One.\r\nTwo.""#;
    assert_eq!(text(with_seed_text(escaped).unwrap()), "One.\r\nTwo.");
}
