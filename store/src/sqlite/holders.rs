//! The claims that this process holds. Each holder is notified when its claim is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_engine::{Claim, ClaimNotice, ClaimToken, RunId};
use parking_lot::Mutex;

use super::claim::Lock;

type Notices = Arc<Mutex<BTreeMap<RunId, (u64, ClaimNotice)>>>;

/// The holders of claims, by run.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders(Notices);

/// A claim in force.
struct Held {
    token: ClaimToken,
    notices: Notices,
    _lock: Lock,
}

impl Holders {
    /// Creates a claim for `owner`. An earlier holder in this process that has lost the run is
    /// notified.
    pub(super) fn hold(&self, token: ClaimToken, lock: Lock, owner: &str) -> Claim {
        let held = Held {
            token: token.clone(),
            notices: Arc::clone(&self.0),
            _lock: lock,
        };
        let (claim, notice) = Claim::new(token.clone(), held);
        let entry = (token.number, notice);
        let earlier = self.0.lock().insert(token.run, entry);
        if let Some((_, earlier)) = earlier {
            earlier.tell(owner);
        }
        claim
    }

    /// Notifies the holder of a token that `owner` owns the run now.
    pub(super) fn tell(&self, token: &ClaimToken, owner: &str) {
        let notices = self.0.lock();
        if let Some((number, notice)) = notices.get(&token.run)
            && *number == token.number
        {
            notice.tell(owner);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut notices = self.notices.lock();
        let is_newest = notices
            .get(&self.token.run)
            .is_some_and(|(number, _)| *number == self.token.number);
        if is_newest {
            notices.remove(&self.token.run);
        }
    }
}
