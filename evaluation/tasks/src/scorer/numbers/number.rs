//! A number in a text, and how far two of them are apart.

/// A number as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) value: f64,
    /// A per cent sign follows it.
    pub(crate) is_percent: bool,
    /// Sign and digits of a number too large for its value to be exact.
    pub(crate) digits: Option<String>,
}

impl Number {
    /// How far `answered` is from this, at its nearest reading: `50%` is 50 as well as 0.5 where only
    /// one of the two has the sign.
    pub(crate) fn distance(&self, answered: &Self) -> f64 {
        if let (Some(own), Some(other)) = (&self.digits, &answered.digits) {
            if own == other {
                return 0.0;
            }
            let difference = (self.value - answered.value).abs();
            return difference.max(1.0);
        }
        let direct = (answered.value - self.value).abs();
        let hundredth = match (self.is_percent, answered.is_percent) {
            (true, false) => (answered.value - self.value / 100.0).abs() * 100.0,
            (false, true) => (answered.value / 100.0 - self.value).abs(),
            _ => direct,
        };
        let nearest = direct.min(hundredth);
        // The rounding error of a fraction or a power of ten in binary does not count.
        if nearest <= 4.0 * f64::EPSILON * self.value.abs() {
            0.0
        } else {
            nearest
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.digits {
            Some(digits) => formatter.write_str(digits)?,
            None => write!(formatter, "{}", self.value)?,
        }
        formatter.write_str(if self.is_percent { "%" } else { "" })
    }
}
