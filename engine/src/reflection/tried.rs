//! Rewrites of a parent that were tried and rejected, as a reflection prompt names them.

use std::fmt::Write as _;

use gepa_evaluation::EarlierAttempt;

/// The most characters about all attempts together.
const MOST_CHARS: usize = 600;
/// Stands for what was cut off.
const CUT: &str = "…";

/// The text added to a reflection prompt about rejected rewrites of `component`, whose present text is
/// `current`. `None` if there were none.
pub(crate) fn tried(component: &str, current: &str, earlier: &[EarlierAttempt]) -> Option<String> {
    let rejected: Vec<&EarlierAttempt> = earlier
        .iter()
        .filter(|attempt| *attempt.component == *component && !attempt.accepted)
        .collect();
    let share = MOST_CHARS.checked_div(rejected.len())?;
    let mut list = String::new();
    for attempt in rejected {
        let _ = write!(
            list,
            "\n- {}",
            cut(&difference(current, &attempt.text), share)
        );
    }
    Some(format!(
        "\n\nThese changes of the present text were tried on other examples and made it no better, so blame \
         something else and do not make them again:{list}"
    ))
}

/// What a rewrite added and removed: whole lines, or the words in the middle where both texts have
/// a single line.
fn difference(current: &str, text: &str) -> String {
    let (added, removed) = if current.lines().count() > 1 || text.lines().count() > 1 {
        (missing_lines(current, text), missing_lines(text, current))
    } else {
        middles(current, text)
    };
    let part = |name: &str, what: String| (!what.is_empty()).then(|| format!("{name} \"{what}\""));
    let parts = [part("added", added), part("removed", removed)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "the same lines in another order".to_owned()
    } else {
        parts.join(", ")
    }
}

/// The lines of `text` that `other` does not have.
fn missing_lines(other: &str, text: &str) -> String {
    let known: Vec<&str> = other.lines().map(str::trim).collect();
    let lines = text.lines().map(str::trim);
    let missing: Vec<String> = lines
        .filter(|line| !line.is_empty() && !known.contains(line))
        .map(plain)
        .collect();
    missing.join(" / ")
}

/// What is left of both texts without the words with which both begin and end: of `text`, then of
/// `current`.
fn middles(current: &str, text: &str) -> (String, String) {
    let (before, after): (Vec<&str>, Vec<&str>) = (
        current.split_whitespace().collect(),
        text.split_whitespace().collect(),
    );
    let start = before
        .iter()
        .zip(&after)
        .take_while(|(one, other)| one == other)
        .count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    let words = |words: &[&str]| plain(&words[..words.len() - end].join(" "));
    (words(after), words(before))
}

/// Without anything that could be taken for a block of its own.
fn plain(text: &str) -> String {
    text.replace("```", "'''").replace("~~~", "---")
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(CUT.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(text: &str) -> EarlierAttempt {
        EarlierAttempt {
            component: "plan".into(),
            text: text.into(),
            gain: Some(-1.0),
            accepted: false,
        }
    }

    #[test]
    fn the_lines_that_a_rewrite_added_and_removed_are_named() {
        let current = "Name the intent.\nAnswer with one word.\n";
        let rewrite = attempt("Name the intent.\nThink first.\n```x```");
        let text = tried("plan", current, &[rewrite]).unwrap();
        assert!(
            text.ends_with(
                "again:\n- added \"Think first. / '''x'''\", removed \"Answer with one word.\""
            ),
            "{text}"
        );
    }

    #[test]
    fn of_a_single_line_the_changed_words_are_named() {
        let text = tried(
            "plan",
            "Name the intent now.",
            &[attempt("Name one intent now.")],
        );
        assert!(text.unwrap().ends_with("- added \"one\", removed \"the\""));
    }

    #[test]
    fn only_rejected_rewrites_of_the_component_are_named() {
        let mut accepted = attempt("other");
        accepted.accepted = true;
        assert_eq!(tried("plan", "text", &[accepted]), None);
        assert_eq!(tried("act", "text", &[attempt("other")]), None);
        assert_eq!(tried("plan", "text", &[]), None);
    }

    #[test]
    fn all_rewrites_together_take_a_bounded_number_of_characters() {
        let long = "ü".repeat(5_000);
        let without = tried("plan", "a", &[attempt("b")]).unwrap().chars().count();
        for count in 1..6 {
            let attempts: Vec<_> = (0..count).map(|_| attempt(&long)).collect();
            let text = tried("plan", "a", &attempts).unwrap();
            let extra = text.chars().count() - without;
            assert!(extra <= MOST_CHARS + 3 * count, "{extra}");
            assert!(text.ends_with(CUT));
        }
    }
}
