//! Numbers in texts, as people and models write them.

mod constants;
mod digits;
mod number;
mod prepare;
mod scan;
mod suffixes;
mod words;

use std::borrow::Cow;

pub(super) use number::Number;
use prepare::Preparation;
use scan::{Mention, Reading, mentions_in};
use words::number_in_words;

use super::plain_text::{answer_line, final_part};

/// Finds numbers in text.
#[derive(Debug)]
pub(super) struct Numbers(Preparation);

impl Numbers {
    pub(super) fn new() -> Self {
        Self(Preparation::new())
    }

    /// The number a text answers with: of its final part the last one. A number of which only a part can
    /// be read is none, and no other takes its place.
    pub(super) fn last(&self, text: &str) -> Option<Number> {
        let part = final_part(text);
        let is_marked = part.len() < text.len();
        let last = answer_line(part)
            .and_then(|line| self.last_in(line, true))
            .or_else(|| self.last_in(part, is_marked));
        match last? {
            Reading::Number(number) => Some(number),
            Reading::NoNumber | Reading::Unreadable => None,
        }
    }

    /// The last number, also one that cannot be read as a whole.
    fn last_in(&self, text: &str, is_marked: bool) -> Option<Reading> {
        let prepared = self.0.apply(&with_minus(text, is_marked));
        let mentions = mentions_in(&prepared);
        let last = |with_glued: bool| {
            let mentions = mentions.iter().rev();
            let numbers = mentions.filter(|one| with_glued || !one.is_glued);
            let mut readings = numbers.map(|one| &one.reading);
            readings
                .find(|reading| !matches!(reading, Reading::NoNumber))
                .cloned()
        };
        let in_digits = last(false).or_else(|| last(true));
        in_digits.or_else(|| in_words(&prepared, &mentions).map(Reading::Number))
    }

    /// The one number a text consists of, with its unit or currency, else what it has instead.
    pub(super) fn single(&self, text: &str) -> Result<Number, &'static str> {
        let prepared = self.0.apply(&with_minus(final_part(text), false));
        let all = mentions_in(&prepared);
        let mut alone: Vec<&Mention> = all.iter().filter(|one| !one.is_glued).collect();
        if alone.is_empty() {
            alone = all.iter().collect();
        }
        match alone.as_slice() {
            [] => in_words(&prepared, &all).ok_or("which has no number"),
            [one] => match &one.reading {
                Reading::Number(number) => Ok(number.clone()),
                Reading::NoNumber => Err("which is a date, a time or a version and not a number"),
                Reading::Unreadable => Err("of which only a part can be read as a number"),
            },
            _ => Err("which has several numbers"),
        }
    }
}

/// The text with a minus that a space parts from its number, where that is no dash of a list: in front of
/// a marked answer, or of a text that is nothing but the number.
fn with_minus(text: &str, is_marked: bool) -> Cow<'_, str> {
    let trimmed = text.trim().trim_matches('$').trim();
    let number = trimmed
        .strip_prefix(['-', '\u{2212}', '\u{2013}'])
        .filter(|rest| rest.starts_with([' ', '\u{a0}']))
        .map(str::trim_start);
    let belongs = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '/');
    match number {
        Some(number)
            if number.starts_with(|c: char| c.is_ascii_digit())
                && !number.contains('\n')
                && (is_marked || number.chars().all(belongs)) =>
        {
            Cow::Owned(format!("-{number}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// The number in words of a text without one in digits.
fn in_words(text: &str, mentions: &[Mention]) -> Option<Number> {
    let (value, is_percent) = mentions.is_empty().then(|| number_in_words(text))??;
    Some(Number {
        value,
        is_percent,
        digits: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: std::sync::LazyLock<Numbers> = std::sync::LazyLock::new(Numbers::new);

    fn last(text: &str) -> Option<f64> {
        NUMBERS.last(text).map(|number| number.value)
    }

    #[test]
    fn signs_spaces_and_digits_of_any_script_are_read() {
        for (text, value) in [
            ("The answer is \u{2212}5", -5.0),
            ("-$5", -5.0),
            ("$-5", -5.0),
            ("\u{20ac} 5", 5.0),
            ("1 000", 1000.0),
            ("1\u{202f}000", 1000.0),
            ("1\u{a0}000\u{a0}000,5", 1_000_000.5),
            ("12,34,567", 1_234_567.0),
            ("1'234.5", 1234.5),
            ("1.234,56", 1234.56),
            ("1.234.567", 1_234_567.0),
            ("3,25", 3.25),
            ("\u{ff14}\u{ff12}", 42.0),
            ("\u{664}\u{662}", 42.0),
            ("- 5 apples", 5.0),
            ("3\u{2013}4", 4.0),
            ("covid-3", 3.0),
            ("5 m2", 5.0),
            ("5 m\u{b2}", 5.0),
            ("USD5", 5.0),
            ("Rs.500", 500.0),
            ("1,2,3", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("\u{17e5}", 5.0),
            ("\u{1044}\u{1042}", 42.0),
            ("minus 5", -5.0),
            ("The result is negative 5 degrees", -5.0),
            ("3 minus 5", 5.0),
            ("- 5", -5.0),
            ("\u{2212} 5", -5.0),
            ("Answer: - 5", -5.0),
            (r"\boxed{- 5}", -5.0),
            ("#### - 5", -5.0),
            ("- 3\n- 5", 5.0),
            ("It is 42 [1, 2].", 42.0),
            ("Answer:\n42\nnote 3", 42.0),
            ("**Answer:**\n\n**42 apples**\nnote 3", 42.0),
            ("The answer is 5 \u{b1} 0.2", 5.0),
            ("x = - 5", -5.0),
            ("In 2020 it was US$42", 42.0),
            ("In 2020 it was USD42", 42.0),
            ("In 2020 it cost R$50", 50.0),
            ("In 2020, the answer is __42__", 42.0),
            ("2020\u{5e74}\u{7684}\u{7b54}\u{6848}\u{662f}42", 42.0),
            ("0x1F", 31.0),
            ("The population is 42 people [1][2].", 42.0),
            ("It is 42 [1].", 42.0),
            ("In 2020 the answer is [5]", 5.0),
            ("In 2020: [[5]]", 5.0),
            ("[5]", 5.0),
            ("Answer: 42\nConfidence: 95%", 42.0),
            ("**Final answer:** 42 apples\n(checked in 3 ways)", 42.0),
            ("**Answer**: 5 + 3 = 8\nThat took 2 steps.", 8.0),
            ("Answer:\nFirst 3, then 5, so 8", 8.0),
            ("The answer is twenty-five.", 25.0),
            ("seventeen (17)", 17.0),
        ] {
            assert_eq!(last(text), Some(value), "{text}");
        }
    }

    #[test]
    fn fractions_powers_and_words_of_magnitude_are_read() {
        for (text, value) in [
            ("3/4", 0.75),
            ("-3/4", -0.75),
            ("1 3/4", 1.75),
            ("\u{bd}", 0.5),
            ("3\u{bd}", 3.5),
            (r"\frac{1}{2}", 0.5),
            (r"-\dfrac{1}{2}", -0.5),
            (r"\frac12", 0.5),
            (r"2\frac{1}{2}", 2.5),
            (r"\boxed{1{,}000} as in 3", 1000.0),
            (r"1\,000", 1000.0),
            ("1 million", 1e6),
            ("2.5 billion people", 2.5e9),
            ("5k", 5000.0),
            ("3.2 bn", 3.2e9),
            ("$5m", 5e6),
            ("\u{20ac}2.5 M", 2.5e6),
            ("5 m", 5.0),
            ("2 lakh", 2e5),
            ("1.5 crore rupees", 1.5e7),
            ("2 dozen", 24.0),
            ("2**10", 1024.0),
            ("2 ^ 10", 1024.0),
            ("**5** of them", 5.0),
            (r"\frac{-3}{4}", -0.75),
            (r"\frac{3}4", 0.75),
            (r"\frac3{4}", 0.75),
            (r"\boxed{0.\overline{3}}", 0.333_333_333_333_333_3),
            (r"\boxed{90^\circ}", 90.0),
            (r"\sqrt{16}", 4.0),
            ("\u{221a}9", 3.0),
            (r"2\sqrt{3}", 3.464_101_615_137_754_6),
            (r"\frac{\sqrt{3}}{2}", 0.866_025_403_784_438_6),
            (r"2\pi", std::f64::consts::TAU),
            ("\u{3c0}", std::f64::consts::PI),
            ("3\u{3c0}/4", 2.356_194_490_192_345),
            (r"\boxed{\frac{\pi}{4}}", std::f64::consts::FRAC_PI_4),
            ("5 in terms of \u{3c0}", 5.0),
            ("50 pct", 50.0),
            (r"\frac{1}{-2}", -0.5),
            (r"-\frac{1}{-2}", 0.5),
            (r"-\frac{-1}{2}", 0.5),
            ("1/-2", -0.5),
            ("(-2)^2", 4.0),
            ("(\u{2212}2)\u{b2}", 4.0),
            ("(1/2)^2", 0.25),
            ("-2^2", -4.0),
            (r"\sqrt[3]{8}", 2.0),
            (r"2\sqrt[3]{27}", 6.0),
            ("\u{221b}8", 2.0),
            ("sqrt(16)", 4.0),
            (r"\frac{\sqrt[3]{8}}{4}", 0.5),
            ("0b101", 5.0),
            ("0o17", 15.0),
            ("2 and 3/4", 2.75),
            ("5 and a half", 5.5),
            ("two thirds", 2.0 / 3.0),
            ("one half", 0.5),
            ("one point five", 1.5),
            (r"\frac{a}{2} = 3", 3.0),
            ("x^2 = 9", 9.0),
            ("(1, 2), so 3", 3.0),
            ("1.5e3", 1500.0),
            (r"1.5 \times 10^{3}", 1500.0),
            ("1.5 \u{d7} 10\u{b3}", 1500.0),
            ("2^10", 1024.0),
            ("48/2 = 24\n#### 72", 72.0),
        ] {
            assert_eq!(last(text), Some(value), "{text}");
        }
    }

    #[test]
    fn dates_times_and_versions_are_no_numbers() {
        for text in [
            "2024-05-01",
            "1/5/2024",
            "10:30",
            "1.2.3",
            "2024-05-01T10:30:00Z",
        ] {
            assert_eq!(last(text), None, "{text}");
            assert!(NUMBERS.single(text).unwrap_err().contains("date"));
        }
        assert_eq!(last("42 (seen 2024-05-01 at 10:30)"), Some(42.0));
        for text in ["5 apples and 3 pears", "3-4", "1,2,3", "2 on 2024-05-01"] {
            assert!(
                NUMBERS.single(text).unwrap_err().contains("several"),
                "{text}"
            );
        }
        assert!(NUMBERS.single("x").unwrap_err().contains("no number"));
        assert_eq!(NUMBERS.single("72 m2").unwrap().value, 72.0);
    }

    #[test]
    fn what_cannot_be_read_as_a_whole_is_no_number() {
        for text in [
            "12,345,67",
            "In 2020 it was 12,345,67",
            "1'00'0",
            r"\boxed{(1, 2)}",
            "(1, 2)",
            "[1, 2]",
            r"\boxed{\{1, 2\}}",
            "(1,2)",
            "(3+4)^2",
            "2^{1/2}",
            "2^0.5",
            "2^x",
            "3/(4)",
            "2^10/2",
            r"\frac{x}{2}",
            r"\frac{1+1}{2}",
            r"\sqrt{-4}",
            r"\sqrt{x+1}/2",
            "\u{221a}(16+9)",
            "\u{221a}-4",
            r"\log_{2} 8",
            "log(8)",
            r"\binom{5}{2}",
            "\u{b1}5",
            "0b102",
            "0xZZ9",
            "1/0",
        ] {
            assert_eq!(last(text), None, "{text}");
            assert!(NUMBERS.single(text).is_err(), "{text}");
        }
        assert!(NUMBERS.single("12,345,67").unwrap_err().contains("part"));
        assert_eq!(last("(1,234)"), Some(1234.0));
        assert_eq!(NUMBERS.single("- 5").unwrap().value, -5.0);
    }

    #[test]
    fn large_numbers_differ_in_their_last_digit() {
        let numbers = Numbers::new();
        let one = numbers.last("1267650600228229401496703205376").unwrap();
        let other = numbers.last("1267650600228229401496703205377").unwrap();
        assert!(one.distance(&other) >= 1.0);
        let grouped = numbers
            .last("1,267,650,600,228,229,401,496,703,205,376.0")
            .unwrap();
        assert_eq!(one.distance(&grouped), 0.0);
    }

    #[test]
    fn a_per_cent_sign_on_one_side_leaves_both_readings() {
        let numbers = Numbers::new();
        let number = |text: &str| numbers.last(text).unwrap();
        assert_eq!(number("50%").distance(&number("0.5")), 0.0);
        assert_eq!(number("0.5").distance(&number("50 %")), 0.0);
        assert_eq!(number("50").distance(&number("50 percent")), 0.0);
        assert_eq!(number("50%").distance(&number("0.5%")), 49.5);
        assert_eq!(number("50 pct").distance(&number("0.5")), 0.0);
        assert_eq!(
            number("\u{665}\u{660}\u{66a}").distance(&number("0.5")),
            0.0
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(
            text in r"([0-9]{1,4}|[-+*/^().,{}\[\] ]|\\\\(frac|sqrt|log|boxed)|[\u{b1}\u{221a}\u{3c0}\u{bd}\u{fffc}\u{a0}\u{e9}x%$]|two|thirds|point|and|half|Answer:\n){0,12}",
        ) {
            let _ = NUMBERS.last(&text);
            let _ = NUMBERS.single(&text);
        }
    }
}
