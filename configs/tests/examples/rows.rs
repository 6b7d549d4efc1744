//! What is all about the rows of the sets.

use crate::support::Task;

#[test]
fn rows_in_two_sets_and_rows_with_two_answers_are_noted() {
    let task = Task {
        data: "text,answer\nsame,1\nsame,1\nSame ,1\nsame,1\nsame,1\nsame,2\n",
        ..Task::default()
    };
    let notes: Vec<String> = task
        .load()
        .unwrap()
        .notes()
        .iter()
        .map(ToString::to_string)
        .collect();
    let all = notes.join("\n");
    for part in [
        "`dataset.split.pareto` has 2 rows whose inputs are in `train` as well",
        "`dataset.split.validation` has 2 rows whose inputs are in `train` as well",
        "a different answer",
    ] {
        assert!(all.contains(part), "`{part}` is not in: {all}");
    }
    assert!(Task::default().load().unwrap().notes().is_empty());
}

#[test]
fn rows_that_are_almost_the_same_are_named() {
    let long =
        "the parcel that I ordered two weeks ago has still not arrived at my new address in Ulm";
    let other = long.replace("Ulm", "Bonn");
    let unlike = "my card was charged twice for one order and the phone rings without an answer at your shop";
    let data = format!("text,answer\n{long},1\n{unlike},2\n{other},3\nd,4\ne,5\nf,6\n");
    let task = Task {
        data: &data,
        dataset: "",
        ..Task::default()
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(task.file), task.data).unwrap();
    let seeds = (0..6).map(|seed| {
        let edited = |config: String| {
            let split = format!("[dataset.split]\nseed = {seed}");
            config.replacen("[dataset.split]", &split, 1)
        };
        task.edited_in(folder.path(), edited).unwrap()
    });
    let notes = seeds.map(|task| {
        let notes = task.notes().iter().map(ToString::to_string);
        notes.collect::<Vec<_>>().join(" ")
    });
    let notes: Vec<String> = notes.collect();
    let named = |note: &&String| note.contains("has 1 row with almost the inputs of a row in");
    assert!(notes.iter().any(|note| named(&note)), "{notes:?}");
    assert!(notes.iter().any(String::is_empty), "{notes:?}");
}

/// The notes on a task whose message for the user has this pattern.
fn notes(data: &str, dataset: &str, user: &str) -> Vec<String> {
    let task = Task {
        data,
        dataset,
        user,
        ..Task::default()
    };
    let task = task.load().unwrap();
    task.notes().iter().map(ToString::to_string).collect()
}

#[test]
fn a_column_that_holds_the_answer_is_noted_where_the_prompt_shows_it() {
    let data = "text,label,answer\na,x,x\nb,y,y\nc, X ,x\nd,y,y\ne,x,x\nf,y,y\n";
    let shown = notes(data, "", "{text} ({label})");
    assert_eq!(shown.len(), 1, "{shown:?}");
    let said = "`prompt.messages[1].pattern` shows the column `label`, which is the expected answer in 6 of 6 rows";
    assert!(shown[0].contains(said), "{shown:?}");
    assert!(notes(data, "", "{text}").is_empty());
}

#[test]
fn a_column_may_differ_from_the_answer_in_5_of_100_rows_and_stand_for_its_values() {
    let differs = "text,guess,answer\na,x,x\nb,x,y\nc,x,x\nd,y,y\ne,x,x\nf,y,y\n";
    assert!(notes(differs, "", "{text} {guess}").is_empty());
    let rows = (0..40).map(|row| {
        let label = if row == 3 { 7 } else { row % 2 };
        format!("t{row},{label},{}\n", row % 2)
    });
    let nearly = format!("text,label,answer\n{}", rows.collect::<String>());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data.csv"), &nearly).unwrap();
    let task = Task {
        user: "{text} {label}",
        ..Task::default()
    };
    let every_row = |config: String| config.replacen("{ count = 2 }", "{ count = 36 }", 1);
    let task = task.edited_in(folder.path(), every_row).unwrap();
    let said: Vec<String> = task.notes().iter().map(ToString::to_string).collect();
    let said = said.join("\n");
    assert!(
        said.contains("the expected answer in 39 of 40 rows"),
        "{said}"
    );
    let coded = "text,code,answer\na,0,0\nb,1,1\nc,0,0\nd,1,1\ne,0,0\nf,1,1\n";
    let mapped = "answer_values = { \"0\" = \"no\", \"1\" = \"yes\" }";
    assert_eq!(notes(coded, mapped, "{text} {code}").len(), 1);
}

#[test]
fn an_answer_column_that_the_settings_show_by_name_is_meant() {
    let data = "text,answer\na,1\nb,2\nc,3\nd,4\ne,5\nf,6\n";
    let dataset = "prompt_columns = [\"text\", \"answer\"]";
    assert!(notes(data, dataset, "{text} {answer}").is_empty());
}
