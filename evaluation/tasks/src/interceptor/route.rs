//! Reads the paths of requests.

/// A path that names a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route<'r> {
    pub(super) trial_id: &'r str,
    pub(super) correlation_id: Option<&'r str>,
}

/// Longest correlation id that is kept.
const LONGEST_ID: usize = 256;

/// The lease and the correlation id of `/v1/<trial>/chat/completions`,
/// `/v1/<trial>/v1/chat/completions` and `/v1/<trial>/<cid>/chat/completions`, with or without a
/// slash at the end and `?cid=<cid>` behind it.
pub(super) fn route<'r>(path: &'r str, query: Option<&'r str>) -> Option<Route<'r>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let inner = path
        .strip_prefix("/v1/")?
        .strip_suffix("/chat/completions")?;
    let (trial_id, in_path) = match inner.split_once('/') {
        None => (inner, None),
        Some((trial_id, "v1")) => (trial_id, None),
        Some((trial_id, id)) if !id.is_empty() && !id.contains('/') => (trial_id, Some(id)),
        Some(_) => return None,
    };
    let in_query = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("cid="));
    (!trial_id.is_empty()).then(|| Route {
        trial_id,
        correlation_id: in_query
            .or(in_path)
            .filter(|id| !id.is_empty() && id.len() <= LONGEST_ID),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, query: Option<&str>, expected: Option<(&str, Option<&str>)>) {
        let found = route(path, query).map(|found| (found.trial_id, found.correlation_id));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn every_way_in_which_apps_extend_the_address_is_understood() {
        check(
            "/v1/t/chat/completions",
            Some("cid=c"),
            Some(("t", Some("c"))),
        );
        check(
            "/v1/t/chat/completions/",
            Some("x=1&cid=c"),
            Some(("t", Some("c"))),
        );
        check("/v1/t/v1/chat/completions", None, Some(("t", None)));
        check("/v1/t/c/chat/completions", None, Some(("t", Some("c"))));
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in [
            "/",
            "/v1/chat/completions",
            "/v1//chat/completions",
            "/v1/t/a/b/chat/completions",
            "/v1/t//chat/completions",
            "/v1/t/completions",
            "/v2/t/chat/completions",
        ] {
            check(path, None, None);
        }
    }
}
