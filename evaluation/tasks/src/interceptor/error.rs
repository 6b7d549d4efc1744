//! Why the interceptor cannot serve.

/// An interceptor that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InterceptorError {
    /// The address cannot be bound: set the variable to a free one, such as `127.0.0.1:9000`.
    #[error(
        "the interceptor cannot listen on {address}: {reason}; set {variable} to a free address"
    )]
    Bind {
        /// Where it should listen.
        address: String,
        /// What the system said.
        reason: String,
        /// The variable that names the address.
        variable: &'static str,
    },
    /// The system's random source does not answer; without it no id would be safe to hand out.
    #[error("the system's random source does not answer: {0}")]
    Random(String),
}
