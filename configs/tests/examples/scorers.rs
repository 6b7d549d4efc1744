//! Scorers that cannot work, and rows they cannot compare with.

use crate::support::Task;

#[test]
fn a_scorer_that_cannot_be_built_is_refused() {
    for (scorer, part) in [
        ("kind = 'regex'\npattern = '('", "not a regular expression"),
        (
            "kind = 'regex'\npattern = '(a)(b)'",
            "several capture groups",
        ),
        ("kind = 'numeric'\nabsolute = -1.0", "absolute = -1"),
        ("kind = 'json_field'\npath = ''", "`path` is empty"),
        ("kind = 'command'\ncommand = []", "`command` is empty"),
        ("kind = 'python'\nexpression = ' '", "`expression` is empty"),
        ("kind = 'ranking'\nat = 0", "at = 0"),
        ("kind = 'llm_judge'\nprompt = 'good?'", "`{output}`"),
    ] {
        let task = Task {
            scorer,
            ..Task::default()
        };
        task.refused(&["`scorer` does not work", part]);
    }
}

#[test]
fn rows_without_a_usable_answer_are_named() {
    let empty = Task {
        data: "text,answer\na,1\nb,\nc,3\nd,\ne,5\nf,6\n",
        ..Task::default()
    };
    empty.refused(&["row `1` (line 3), `3` (line 5) has an empty expected answer"]);
    let none = Task {
        data: "text,label\na,1\nb,2\nc,3\nd,4\ne,5\nf,6\n",
        ..Task::default()
    };
    none.refused(&["has no expected answer", "set `answer`"]);
    let dates = Task {
        data: "text,answer\na,1\nb,2024-05-01\nc,3\nd,4\ne,5\nf,6 to 7\n",
        scorer: "kind = 'numeric'",
        ..Task::default()
    };
    dates.refused(&[
        "row `1` (line 3) expects `2024-05-01`, which is a date",
        "row `5` (line 7) expects `6 to 7`, which has several numbers",
    ]);
}
