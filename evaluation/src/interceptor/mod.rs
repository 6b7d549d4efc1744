//! Stands between task apps and model providers: puts candidates into what the apps send.

use crate::Environment;

/// The variable that names the address to listen on; a free loopback port if it is not set.
const LISTEN_VARIABLE: &str = "GEPA_INTERCEPTOR_LISTEN";

/// The interceptor of a process; binds its address when a run first needs it.
#[derive(Clone, Debug)]
pub struct Interceptor {
    listen: Option<String>,
}

impl Interceptor {
    /// An interceptor that will listen where `GEPA_INTERCEPTOR_LISTEN` says.
    pub fn new(environment: &Environment) -> Self {
        Self {
            listen: environment.get(LISTEN_VARIABLE).map(str::to_owned),
        }
    }

    /// Where it will listen, if the environment says so.
    pub fn listen(&self) -> Option<&str> {
        self.listen.as_deref()
    }
}
