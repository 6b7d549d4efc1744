//! New texts that a reply writes as edits of the present one: each replaces a part that must stand in the
//! text exactly once.

use std::borrow::Cow;
use std::ops::Range;

use super::answer::behind_reasoning;
use super::fences::fences_of;
use super::plain::with_plain_lines;

const SEARCH: &str = "<<<<<<< SEARCH";
const BETWEEN: &str = "=======";
const REPLACE: &str = ">>>>>>> REPLACE";

/// The text added to a reflection prompt to request edits.
pub(super) const REQUEST: &str = "\n\n\
Do not write the whole text again. Write only what changes, as edits of this form, one below the other:\n\
<<<<<<< SEARCH\n\
lines of the present text, copied exactly\n\
=======\n\
the lines that take their place\n\
>>>>>>> REPLACE\n\
The lines to search must stand in the present text exactly once, so copy enough of them. To add lines, repeat \
the line before them in both parts. To remove lines, leave the second part empty.";

/// The text added to a reflection prompt to request this many different versions of the edits.
pub(super) fn request_versions(texts: u32) -> String {
    format!(
        "\n\nWrite {texts} versions of the change instead of one. Let each blame another cause for what went \
         wrong, and let each be complete. Put the edits of each version inside a ``` block of their own."
    )
}

/// Why a reply gives no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EditProblem {
    /// It holds no complete edit.
    NoEdit(String),
    /// The present text does not have the places that it edits.
    NotApplicable(String),
}

/// The texts that a reply makes of the present one, and why further versions do not apply to it.
///
/// # Errors
///
/// What is wrong with the first version if none applies.
pub(super) fn edited_texts(
    reply: &str,
    current: &str,
    wanted: u32,
) -> Result<(Vec<String>, Vec<String>), EditProblem> {
    let (reply, current) = (with_plain_lines(reply), with_plain_lines(current));
    let (reply, current) = (&*reply, &*current);
    let answer = behind_reasoning(reply, edit_places(reply).into_iter());
    let mut versions: Vec<Cow<'_, str>> = Vec::new();
    if wanted > 1 {
        let blocks = fences_of(answer, current).blocks.into_iter();
        versions.extend(
            blocks
                .map(|block| block.text)
                .filter(|text| text.contains(SEARCH)),
        );
    }
    if versions.is_empty() {
        versions.push(Cow::Borrowed(answer));
    }
    let (mut texts, mut problems) = (Vec::new(), Vec::new());
    for version in versions {
        match edits_in(&version) {
            Ok(edits) => match apply(current, &edits) {
                Ok(text) => texts.push(text),
                Err(message) => problems.push(EditProblem::NotApplicable(message)),
            },
            Err(message) => problems.push(EditProblem::NoEdit(message)),
        }
    }
    if texts.is_empty() && !problems.is_empty() {
        return Err(problems.swap_remove(0));
    }
    let messages = problems.into_iter().map(|problem| match problem {
        EditProblem::NoEdit(message) | EditProblem::NotApplicable(message) => message,
    });
    Ok((texts, messages.collect()))
}

/// The places of complete edits in a reply.
fn edit_places(reply: &str) -> Vec<Range<usize>> {
    let (mut places, mut open, mut at) = (Vec::new(), None, 0);
    for line in reply.split_inclusive('\n') {
        match line.trim_end() {
            SEARCH => open = Some(at),
            REPLACE => places.extend(open.take().map(|start| start..at + line.len())),
            _ => {}
        }
        at += line.len();
    }
    places
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Edit {
    search: String,
    replace: String,
}

/// The edits of one version; at least one.
fn edits_in(text: &str) -> Result<Vec<Edit>, String> {
    enum Place {
        Outside,
        Search,
        Replace,
    }
    let mut edits = Vec::new();
    let (mut place, mut search, mut replace) = (Place::Outside, Vec::new(), Vec::new());
    for line in text.lines() {
        match (&place, line.trim_end()) {
            (Place::Outside, SEARCH) => place = Place::Search,
            (Place::Search, BETWEEN) => place = Place::Replace,
            (Place::Replace, REPLACE) => {
                let joined = |lines: &mut Vec<&str>| std::mem::take(lines).join("\n");
                edits.push(Edit {
                    search: joined(&mut search),
                    replace: joined(&mut replace),
                });
                place = Place::Outside;
            }
            (Place::Outside, _) => {}
            (Place::Search, _) => search.push(line),
            (Place::Replace, _) => replace.push(line),
        }
    }
    if !matches!(place, Place::Outside) {
        return Err(format!(
            "the reply has an edit that does not end with `{REPLACE}`, so it may be incomplete"
        ));
    }
    if edits.is_empty() {
        return Err(format!(
            "the reply holds no edit between `{SEARCH}` and `{REPLACE}`"
        ));
    }
    Ok(edits)
}

/// The present text with all edits made. Each is found in the present text as it was before them.
fn apply(current: &str, edits: &[Edit]) -> Result<String, String> {
    let mut places: Vec<(Range<usize>, &str)> = Vec::with_capacity(edits.len());
    for edit in edits {
        places.push((place_of(current, edit)?, &edit.replace));
    }
    places.sort_by_key(|(range, _)| range.start);
    let mut text = String::with_capacity(current.len());
    let mut done = 0;
    for (range, replace) in places {
        if range.start < done {
            return Err(
                "two edits of the reply change the same lines; make them one edit".to_owned(),
            );
        }
        text.push_str(&current[done..range.start]);
        text.push_str(replace);
        done = range.end;
    }
    text.push_str(&current[done..]);
    Ok(text)
}

/// Where an edit applies. One that leaves nothing of whole lines takes their line end as well.
fn place_of(current: &str, edit: &Edit) -> Result<Range<usize>, String> {
    if edit.search.trim().is_empty() {
        return Err(
            "an edit of the reply searches nothing; copy the lines that it changes".to_owned(),
        );
    }
    let mut found = current.match_indices(edit.search.as_str());
    let Some((start, _)) = found.next() else {
        return Err(format!(
            "an edit of the reply searches lines that the present text does not have: \"{}\"",
            beginning(&edit.search)
        ));
    };
    let further = found.count();
    if further > 0 {
        return Err(format!(
            "an edit of the reply searches lines that the present text has {} times: \"{}\"; copy more lines \
             around them",
            further + 1,
            beginning(&edit.search)
        ));
    }
    let mut end = start + edit.search.len();
    let begins_line = start == 0 || current[..start].ends_with('\n');
    if edit.replace.is_empty() && begins_line && current[end..].starts_with('\n') {
        end += 1;
    }
    Ok(start..end)
}

fn beginning(text: &str) -> String {
    const MOST: usize = 80;
    let line: String = text.chars().take(MOST).collect();
    line.replace('\n', " / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURRENT: &str = "Name the intent.\nAnswer briefly.\nAnswer in JSON.\n";

    fn edit(search: &str, replace: &str) -> String {
        let line_end = if replace.is_empty() { "" } else { "\n" };
        format!("{SEARCH}\n{search}\n{BETWEEN}\n{replace}{line_end}{REPLACE}\n")
    }

    #[track_caller]
    fn check(reply: &str, expected: &str) {
        let (texts, problems) = edited_texts(reply, CURRENT, 1).unwrap();
        assert_eq!(texts, [expected]);
        assert!(problems.is_empty());
    }

    #[test]
    fn an_edit_may_speak_of_reasoning() {
        let tagged = edit("Answer briefly.", "Write <think>..</think> first.");
        let expected = "Name the intent.\nWrite <think>..</think> first.\nAnswer in JSON.\n";
        check(&tagged, expected);
        check(&format!("<think>hm</think>\n{tagged}"), expected);
    }

    #[test]
    fn line_ends_and_control_characters_of_a_reply_change_no_edit() {
        let written = edit("Answer briefly.", "Answer\0 in\rone word.");
        let expected = "Name the intent.\nAnswer in\none word.\nAnswer in JSON.\n";
        check(&written, expected);
        check(&written.replace('\n', "\r\n"), expected);
        let current = CURRENT.replace('\n', "\r\n");
        let (texts, _) = edited_texts(&written, &current, 1).unwrap();
        assert_eq!(texts, [expected]);
    }

    #[test]
    fn edits_replace_add_and_remove_lines() {
        check(
            &edit("Answer briefly.", "Answer in one word."),
            "Name the intent.\nAnswer in one word.\nAnswer in JSON.\n",
        );
        check(
            &format!(
                "First:\n```\n{}```\nand\n{}",
                edit("Answer briefly.\n", ""),
                edit("Name the intent.", "Name the intent.\nThink first.")
            ),
            "Name the intent.\nThink first.\nAnswer in JSON.\n",
        );
        check(
            &edit("Answer in JSON.", ""),
            "Name the intent.\nAnswer briefly.\n",
        );
    }

    #[test]
    fn an_edit_that_does_not_apply_is_refused_with_its_lines() {
        let refused = |reply: &str| match edited_texts(reply, CURRENT, 1) {
            Err(EditProblem::NotApplicable(message)) => message,
            other => panic!("{other:?}"),
        };
        assert!(refused(&edit("Name it.", "x")).contains("\"Name it.\""));
        assert!(refused(&edit("Answer", "x")).contains("2 times"));
        assert!(refused(&edit("", "x")).contains("searches nothing"));
        let twice = edit("Answer briefly.", "x") + &edit("briefly.\nAnswer in", "y");
        assert!(refused(&twice).contains("same lines"));
    }

    #[test]
    fn a_reply_without_a_complete_edit_is_no_text() {
        for reply in [
            "",
            "```\nThe whole text.\n```",
            "<<<<<<< SEARCH\nName the intent.\n=======\nx",
        ] {
            let problem = edited_texts(reply, CURRENT, 1).unwrap_err();
            assert!(matches!(problem, EditProblem::NoEdit(_)), "{reply}");
        }
        let thought = format!("<think>{}</think>", edit("Answer briefly.", "x"));
        assert!(edited_texts(&thought, CURRENT, 1).is_err());
    }

    #[test]
    fn each_block_is_a_version_where_several_are_wanted() {
        let reply = format!(
            "```\n{}```\n```\n{}```\n```\n{}```",
            edit("Answer briefly.", "one"),
            edit("Not there.", "two"),
            edit("Answer briefly.", "three")
        );
        let (texts, problems) = edited_texts(&reply, CURRENT, 3).unwrap();
        assert_eq!(texts.len(), 2);
        assert!(texts[1].contains("three"));
        assert_eq!(problems.len(), 1);
    }
}
