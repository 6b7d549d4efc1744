//! Data files as people have them are read, or answered with what to do.

use std::fmt::Write as _;

use crate::support::{Finished, Workspace};

/// Checks the usual task with these bytes as its data file.
fn checked(file: &str, bytes: &[u8]) -> Finished {
    let workspace = Workspace::with_rulebook();
    std::fs::write(workspace.path().join(file), bytes).unwrap();
    let config = workspace.read("config.toml");
    workspace.write("config.toml", &config.replace("rows.jsonl", file));
    workspace.gepa(&["check", "config.toml"])
}

fn rows() -> String {
    Workspace::new().read("rows.jsonl")
}

#[test]
fn a_spreadsheet_in_utf_16_is_read() {
    let mut table = "id,age,answer\n".to_owned();
    for age in 20..80 {
        writeln!(table, "age-{age},{age},yes").unwrap();
    }
    let units: Vec<u16> = std::iter::once(0xfeff)
        .chain(table.encode_utf16())
        .collect();
    let forms = [u16::to_le_bytes, u16::to_be_bytes];
    for form in forms {
        let bytes: Vec<u8> = units.iter().flat_map(|unit| form(*unit)).collect();
        let finished = checked("rows.csv", &bytes);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }
}

#[test]
fn a_file_called_compressed_that_is_not_is_named() {
    for ending in [".gz", ".zst"] {
        let finished = checked(&format!("rows.jsonl{ending}"), rows().as_bytes());
        assert_eq!(finished.code, Some(2));
        let expected = format!("it is called `{ending}` and is not compressed so");
        assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
    }
}

#[test]
fn rows_inside_of_an_object_are_answered_with_its_key() {
    let list = rows().lines().collect::<Vec<_>>().join(",");
    for (object, key) in [
        (format!("{{\"data\": [{list}]}}"), "data"),
        (format!("{{\n \"mine\":\n [{list}]\n}}\n"), "mine"),
        (
            format!("{{\"version\": 1, \"examples\": [{list}]}}"),
            "examples",
        ),
    ] {
        let finished = checked("rows.json", object.as_bytes());
        assert_eq!(finished.code, Some(2));
        let expected = format!("its rows are the list under `{key}`");
        assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
    }
}
