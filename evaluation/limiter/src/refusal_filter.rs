//! Separates refusals that the number of calls in flight causes from refusals that it does not.
//!
//! Some providers refuse a share of all calls at any load. If each of these refusals lowered the
//! level, the level would fall to one call at a time. So when calls are still refused at 30 % of a
//! level that had held before, that higher level is tried again. During this probe refusals are
//! ignored while they stay few.

/// Refusals at or below this share of the highest level may be unrelated to the level.
const FRACTION: f64 = 0.3;

/// So low a level is refused this many times before the highest level is tried again.
const REFUSALS_BEFORE_PROBE: u32 = 3;

/// At most 8 refusals in 32 calls count as noise, not as a limit.
const NOISE_REFUSALS: u32 = 8;
const NOISE_CALLS: u32 = 32;

/// Decides for each refusal whether the level is its cause.
#[derive(Debug)]
pub(super) struct RefusalFilter {
    /// The highest level that has held; `None` after a probe of it failed.
    highest: Option<f64>,
    unexpected_refusals: u32,
    probe: Option<HigherLevelProbe>,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    /// The level is too high: lower it.
    TooMany,
    /// The level is not the cause: keep it.
    Noise,
    /// The level seems not to be the cause: go up to this level and see.
    ProbeLevel(f64),
    /// The probe of the higher level has ended: it was refused too often. Lower the level.
    ProbeFailed,
}

#[derive(Clone, Copy, Debug, Default)]
struct HigherLevelProbe {
    admitted: u32,
    refused: u32,
}

impl RefusalFilter {
    pub(super) fn new(highest: f64) -> Self {
        Self {
            highest: Some(highest),
            unexpected_refusals: 0,
            probe: None,
        }
    }

    /// A call was refused. `is_expected`: the level had just been raised to see whether calls are
    /// refused.
    pub(super) fn refused(&mut self, level: f64, is_expected: bool) -> Meaning {
        if let Some(probe) = &mut self.probe {
            probe.refused += 1;
            if probe.refused <= NOISE_REFUSALS {
                return Meaning::Noise;
            }
            self.probe = None;
            self.highest = None;
            return Meaning::ProbeFailed;
        }
        let highest = self.highest.filter(|highest| level <= highest * FRACTION);
        let Some(highest) = highest.filter(|_| !is_expected) else {
            self.unexpected_refusals = 0;
            return Meaning::TooMany;
        };
        self.unexpected_refusals += 1;
        if self.unexpected_refusals < REFUSALS_BEFORE_PROBE {
            return Meaning::TooMany;
        }
        self.unexpected_refusals = 0;
        self.probe = Some(HigherLevelProbe::default());
        Meaning::ProbeLevel(highest)
    }

    pub(super) fn admitted(&mut self) {
        if let Some(probe) = &mut self.probe {
            probe.admitted += 1;
            if probe.admitted > NOISE_CALLS {
                *probe = HigherLevelProbe::default();
            }
        }
    }

    /// This level was accepted for a whole plateau.
    pub(super) fn held(&mut self, level: f64) {
        self.highest = Some(level.max(self.highest.unwrap_or(level)));
    }
}
