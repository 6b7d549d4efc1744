//! Which role each act needs.

use crate::access::Role;

/// Each act with the role it needs.
pub const ACTS: &[(&str, Role)] = &[
    ("pause", Role::Submit),
    ("resume", Role::Submit),
    ("stop", Role::Submit),
    ("extend", Role::Submit),
    ("inject", Role::Submit),
    ("veto", Role::Submit),
    ("hint", Role::Submit),
    ("exclude", Role::Submit),
    ("branch", Role::Submit),
];
