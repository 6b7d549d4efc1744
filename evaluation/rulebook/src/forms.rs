//! Forms of a reply that a reflection prompt can request: a shorter text, or edits of the present one.

use super::grammar::ReadPrompt;
use super::learner::worth_of;
use super::writing::write_prompt;

const LIMIT: &str = " characters, and at most ";
const SEARCH: &str = "<<<<<<< SEARCH";

/// The most characters of the text that a prompt asks to shorten; `None` if it asks for something else.
pub(super) fn most_chars(prompt: &str) -> Option<usize> {
    let asked = prompt.lines().next()?;
    let (_, rest) = asked.split_once(LIMIT)?;
    let (number, _) = rest.split_once(" are allowed")?;
    number.parse().ok()
}

/// The instruction without its least useful rules, so that it has at most this many characters. What is
/// neither a rule nor counted stays.
pub(super) fn shortened(current: &ReadPrompt, most_chars: usize) -> String {
    let mut sheet = current.sheet.clone();
    loop {
        let text = write_prompt(&current.prose, &sheet);
        if text.chars().count() <= most_chars {
            return text;
        }
        let worths = sheet.rules.iter().map(worth_of).enumerate();
        match worths.min_by_key(|(_, worth)| *worth) {
            Some((at, _)) => {
                sheet.rules.remove(at);
            }
            None if !sheet.reviewed.is_empty() => sheet.reviewed.clear(),
            None => return text,
        }
    }
}

/// Whether a prompt requests edits instead of a whole text.
pub(super) fn wants_edits(prompt: &str) -> bool {
    prompt.lines().any(|line| line == SEARCH)
}

/// One edit that makes `new` of `current`: it replaces the lines between those with which both begin and end.
pub(super) fn edit(current: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (current.lines().collect(), new.lines().collect());
    let pairs = old.iter().zip(&new);
    let mut start = pairs.take_while(|(one, other)| one == other).count();
    let pairs = old[start..].iter().rev().zip(new[start..].iter().rev());
    let end = pairs.take_while(|(one, other)| one == other).count();
    // Lines to search must stand in the text once, and there must be some.
    let is_unique = |start: usize| {
        let searched = old[start..old.len() - end].join("\n");
        !searched.trim().is_empty() && current.matches(&searched).count() == 1
    };
    while start > 0 && !is_unique(start) {
        start -= 1;
    }
    let search = old[start..old.len() - end].join("\n");
    let replace = new[start..new.len() - end].join("\n");
    format!("{SEARCH}\n{search}\n=======\n{replace}\n>>>>>>> REPLACE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::read_prompt;

    #[test]
    fn an_edit_searches_lines_that_stand_in_the_text_once() {
        assert_eq!(
            edit("a\nb\na", "a\nb\nc\na"),
            "<<<<<<< SEARCH\nb\n=======\nb\nc\n>>>>>>> REPLACE"
        );
        assert_eq!(
            edit("a\nb", "a\nc"),
            "<<<<<<< SEARCH\nb\n=======\nc\n>>>>>>> REPLACE"
        );
    }

    #[test]
    fn a_text_is_shortened_to_the_length_that_the_prompt_names() {
        let text = "Say `yes` or `no`.\n\nScorecard, starting from 0 points:\n- Add 1 point if a is 1 (`yes` in 2 \
                    of 3 cases).\n- Add 5 points if b is 1 (`yes` in 9 of 9 cases).\n\nAnswer `yes` when the points \
                    reach 1, otherwise answer `no`.";
        let prompt = "They are too long: they have 190 characters, and at most 180 are allowed.\n";
        let most = most_chars(prompt).unwrap();
        let short = shortened(&read_prompt(text), most);
        assert!(short.chars().count() <= 180, "{short}");
        assert!(
            short.contains("b is 1") && !short.contains("a is 1"),
            "{short}"
        );
        assert_eq!(most_chars("Improve this.\n```\nx\n```"), None);
    }
}
