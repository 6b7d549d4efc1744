//! How many texts a reflection prompt requests.

const NUMBERS: [&str; 9] = [
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
];
/// Words for the texts of which a prompt can request several.
const TEXTS: [&str; 6] = [
    "blocks",
    "alternatives",
    "versions",
    "texts",
    "hypotheses",
    "instructions",
];
const MOST_WANTED: usize = 16;
/// Most words between a number and the word that it counts.
const REACH: usize = 4;

/// The largest number that counts texts; 1 if there is none.
pub(crate) fn texts_wanted(text: &str) -> usize {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let counted = words.iter().enumerate().filter_map(|(at, word)| {
        let number = number(word)?;
        let following = &words[at + 1..words.len().min(at + 1 + REACH)];
        let counts_texts = following.iter().any(|word| TEXTS.contains(word));
        (counts_texts && number <= MOST_WANTED).then_some(number)
    });
    counted.max().unwrap_or(1).max(1)
}

fn number(word: &str) -> Option<usize> {
    let lower = word.to_lowercase();
    let named = NUMBERS.iter().position(|known| *known == lower);
    named.map(|at| at + 2).or_else(|| word.parse().ok())
}
