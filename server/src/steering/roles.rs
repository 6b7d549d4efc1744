//! Which role each act needs.

use crate::access::Role;

/// The role that an act needs; `None` for an act that there is not.
pub(crate) fn role_of(act: &str) -> Option<Role> {
    let found = ACTS.iter().find(|(name, _)| *name == act);
    found.map(|(_, role)| *role)
}

/// Each act with the role it needs.
pub(crate) const ACTS: &[(&str, Role)] = &[
    ("pause", Role::Submit),
    ("resume", Role::Submit),
    ("stop", Role::Submit),
    ("extend", Role::Submit),
    ("inject", Role::Submit),
    ("veto", Role::Submit),
    ("hint", Role::Submit),
    ("exclude", Role::Submit),
    ("branch", Role::Submit),
    ("label", Role::Submit),
    ("ablate", Role::Submit),
    ("delete", Role::Administer),
];
