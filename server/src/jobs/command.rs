//! What a client can request of a job, and the texts in which engines pass requests on to each other.

use gepa_engine::SteeredBy;

use crate::steering::SteerRequest;

/// The text of a cancellation between engines. All other texts are requests as JSON.
pub(super) const CANCEL: &str = "cancel";

/// What a client can request of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobCommand {
    Cancel,
    Pause(SteeredBy),
    Resume(SteeredBy),
}

impl JobCommand {
    /// The text in which engines send it to each other.
    pub(super) fn message(&self) -> String {
        let (act, by) = match self {
            Self::Cancel => return CANCEL.to_owned(),
            Self::Pause(by) => ("pause", by),
            Self::Resume(by) => ("resume", by),
        };
        let request = SteerRequest {
            act: act.to_owned(),
            who: by.who.clone(),
            why: by.why.clone(),
            ..SteerRequest::default()
        };
        message(&request)
    }

    /// The command that a request stands for. The job's slot follows a pause, so its task passes these
    /// on.
    pub(super) fn of(request: &SteerRequest, by: SteeredBy) -> Option<Self> {
        match request.act.as_str() {
            "pause" => Some(Self::Pause(by)),
            "resume" => Some(Self::Resume(by)),
            _ => None,
        }
    }
}

/// A request as the text in which engines send it to each other.
pub(super) fn message(request: &SteerRequest) -> String {
    serde_json::to_string(request).unwrap_or_default()
}
