//! Numbers in texts, as people and models write them.

mod constants;
mod number;
mod prepare;
mod scan;
mod words;

pub(super) use number::Number;
use prepare::Preparation;
use scan::{Mention, mentions_in};
use words::number_in_words;

use super::plain_text::{answer_line, final_part};

/// Finds numbers in text.
#[derive(Debug)]
pub(super) struct Numbers(Preparation);

impl Numbers {
    pub(super) fn new() -> Self {
        Self(Preparation::new())
    }

    /// The number a text answers with: of its final part the last one.
    pub(super) fn last(&self, text: &str) -> Option<Number> {
        let part = final_part(text);
        answer_line(part)
            .and_then(|line| self.last_in(line))
            .or_else(|| self.last_in(part))
    }

    fn last_in(&self, text: &str) -> Option<Number> {
        let prepared = self.0.apply(text);
        let mentions = mentions_in(&prepared);
        let last = |with_glued: bool| {
            let numbers = mentions.iter().filter(|one| with_glued || !one.is_glued);
            numbers.filter_map(|one| one.number.clone()).next_back()
        };
        let in_digits = last(false).or_else(|| last(true));
        in_digits.or_else(|| in_words(&prepared, &mentions))
    }

    /// The one number a text consists of, with its unit or currency, else what it has instead.
    pub(super) fn single(&self, text: &str) -> Result<Number, &'static str> {
        let prepared = self.0.apply(final_part(text));
        let all = mentions_in(&prepared);
        let mut alone: Vec<&Mention> = all.iter().filter(|one| !one.is_glued).collect();
        if alone.is_empty() {
            alone = all.iter().collect();
        }
        match alone.as_slice() {
            [] => in_words(&prepared, &all).ok_or("which has no number"),
            [one] => {
                let number = one.number.clone();
                number.ok_or("which is a date, a time or a version and not a number")
            }
            _ => Err("which has several numbers"),
        }
    }
}

/// The number in words of a text without one in digits.
fn in_words(text: &str, mentions: &[Mention]) -> Option<Number> {
    let value = mentions.is_empty().then(|| number_in_words(text))??;
    Some(Number {
        value,
        is_percent: false,
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
}
