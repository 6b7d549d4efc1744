//! Finds the right answer in a feedback sentence.

/// Phrases after which scorers and people name the right answer.
const MARKERS: [&str; 7] = [
    "expected answer is",
    "correct answer is",
    "right answer is",
    "answer should be",
    "should have been",
    "should be",
    "expected",
];

/// The right answer: the one that the feedback names, or the output itself if the feedback only
/// says that it was right.
pub(super) fn right_answer(feedback: &str, output: &str) -> Option<String> {
    let lowered = feedback.to_ascii_lowercase();
    for marker in MARKERS {
        for (at, _) in lowered.match_indices(marker) {
            if let Some(answer) = named_after(&feedback[at + marker.len()..]) {
                return Some(answer);
            }
        }
    }
    let trimmed = lowered.trim_start();
    let praised = ["correct", "right", "well done"]
        .iter()
        .any(|praise| trimmed.starts_with(praise))
        || lowered.contains("is correct");
    let answer = output.trim();
    let blamed = lowered.contains("incorrect") || lowered.contains("not correct");
    (praised && !blamed && is_short(answer)).then(|| answer.to_owned())
}

fn named_after(rest: &str) -> Option<String> {
    let start = rest.trim_start_matches([':', ' ', '\n']);
    let quote = start
        .chars()
        .next()
        .filter(|c| matches!(c, '`' | '"' | '\''));
    let answer = if let Some(quote) = quote {
        start[1..].split(quote).next()?
    } else {
        let word = start
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'))
            .next()?;
        word.trim_end_matches('.')
    };
    is_short(answer).then(|| answer.trim().to_owned())
}

fn is_short(answer: &str) -> bool {
    !answer.trim().is_empty() && answer.len() <= 60 && !answer.contains(['\n', '`', '{', '}'])
}
