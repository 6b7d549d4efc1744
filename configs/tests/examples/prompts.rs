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
