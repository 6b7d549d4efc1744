//! What the prompt shows of the example.

use crate::support::Task;

#[test]
fn a_prompt_that_shows_the_answer_is_refused_unless_the_column_is_allowed() {
    let seed = Task {
        system: "The answer is {answer}.",
        ..Task::default()
    };
    seed.refused(&["messages[0]", "{answer}", "prompt_columns"]);
    let fixed = Task {
        user: "{text} {answer}",
        ..Task::default()
    };
    fixed.refused(&["messages[1]", "{answer}"]);
    let allowed = Task {
        dataset: "prompt_columns = ['text', 'answer']",
        ..fixed
    };
    allowed.load().unwrap();
    let id = Task {
        dataset: "id_column = 'text'",
        ..Task::default()
    };
    id.refused(&["{text}", "labels"]);
}

#[test]
fn the_argument_of_a_latex_command_is_no_wildcard() {
    let task = Task {
        system: r"End with \boxed{answer}.",
        ..Task::default()
    };
    task.load().unwrap();
}

#[test]
fn a_column_with_a_space_is_shown_by_its_name() {
    let task = Task {
        data: "Review Text,answer\na,1\nb,2\nc,3\nd,4\ne,5\nf,6\n",
        user: "text: {Review Text}",
        ..Task::default()
    };
    task.load().unwrap();
}

#[test]
fn a_prompt_that_shows_nothing_of_the_example_is_refused_with_what_was_meant() {
    for (user, hint) in [
        ("text: { text }", "`{ text }` is no wildcard"),
        ("text: <text>", "`<text>` is no wildcard"),
        ("text", "put in one of `{text}`"),
    ] {
        let task = Task {
            user,
            ..Task::default()
        };
        task.refused(&["show nothing of the example", hint]);
    }
}

#[test]
fn rows_that_lack_a_field_of_the_prompt_are_named() {
    let task = Task {
        file: "data.jsonl",
        data: r#"{"text": "a", "answer": "1"}
{"text": "b", "answer": "2"}
{"answer": "3"}
{"text": "d", "answer": "4"}
{"text": "e", "answer": "5"}
{"text": "f", "answer": "6"}
"#,
        ..Task::default()
    };
    task.refused(&["{text}", "`2` (line 3)"]);
}

#[test]
fn a_pattern_file_is_read_without_byte_order_mark_and_carriage_returns() {
    let load = |content: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let task = Task::default();
        std::fs::write(folder.path().join(task.file), task.data).unwrap();
        std::fs::write(folder.path().join("system.txt"), content).unwrap();
        task.edited_in(folder.path(), |config| {
            config.replace("pattern = 'Answer.'", "pattern_file = 'system.txt'")
        })
    };
    let task = load("\u{feff}Say a.\r\nOr b.\r\n".as_bytes()).unwrap();
    let texts: Vec<&str> = task
        .config
        .seed()
        .components()
        .values()
        .map(|text| &**text)
        .collect();
    assert_eq!(texts, ["Say a.\nOr b.\n"]);
    let refused = load(b"Say a.\nN\xe3o b.").unwrap_err().to_string();
    assert!(
        refused.contains("system.txt, which cannot be read: line 2 is not UTF-8"),
        "{refused}"
    );
}
