//! The scores that a run has seen: a fold of its events.

use serde::{Deserialize, Serialize};

use crate::event::ScoreScale;

/// The range of the scores, as declared and as seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScoresSeen {
    /// The lowest and the highest score, as the evaluator declared them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<[f64; 2]>,
    /// Whether a failure counts as less than every score where no lowest score is known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_open_below: bool,
    /// The lowest score of any rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowest: Option<f64>,
    /// The highest score of any rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
}

impl ScoresSeen {
    pub(crate) fn on(scale: ScoreScale) -> Self {
        Self {
            declared: scale.range,
            is_open_below: scale.is_open_below,
            ..Self::default()
        }
    }

    /// How the run compares failures.
    pub(crate) fn scale(&self) -> ScoreScale {
        ScoreScale {
            range: self.declared,
            is_open_below: self.is_open_below,
        }
    }

    pub(crate) fn count(&mut self, score: f64) {
        self.lowest = Some(self.lowest.map_or(score, |lowest| lowest.min(score)));
        self.highest = Some(self.highest.map_or(score, |highest| highest.max(score)));
    }

    /// A warning, if scores lie above what counts as perfect. `configured` is `search.perfect_score`.
    pub fn warning(&self, configured: Option<f64>) -> Option<String> {
        let highest = self.highest?;
        match (configured, self.declared) {
            (Some(perfect), _) if highest > perfect => Some(format!(
                "scores reach {highest}, above `search.perfect_score` = {perfect}; minibatches with such scores \
                 only are skipped as perfect. Set it to the highest score of your scale"
            )),
            (None, None) if highest > 1.0 => Some(format!(
                "scores reach {highest}, so the scale is not 0 to 1, and no minibatch counts as perfect; declare \
                 the scale, for example `evaluator.score_range = [0, 100]`"
            )),
            _ => None,
        }
    }
}
