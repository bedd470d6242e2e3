//! How far processes are kept away from the machine. Explicit: nothing is weakened without being told to.

use std::fmt;

/// How far processes are kept away from the machine. Each step keeps all of the next one; a machine that refuses
/// one is told about by name, and nothing weaker is taken instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Isolation {
    /// Limits, landlock and seccomp, as in each of these, and no capabilities. What processes see of the machine is
    /// what they can find out without opening anything.
    LimitsOnly,
    /// And namespaces of their own, with an empty, read-only root; on the outside they belong to this program's user.
    SingleUser,
    /// And another user on the outside (65534, `nobody`): needs the right to change users.
    Full,
}

impl Isolation {
    pub(super) const ALL: [Self; 3] = [Self::LimitsOnly, Self::SingleUser, Self::Full];

    /// The strongest that this program's user is entitled to by default: [`Full`](Self::Full) for root,
    /// [`SingleUser`](Self::SingleUser) for everybody else. Whether the machine grants it is seen at the start.
    #[must_use]
    pub fn of_this_user() -> Self {
        #[cfg(target_os = "linux")]
        if rustix::process::geteuid().is_root() {
            return Self::Full;
        }
        Self::SingleUser
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LimitsOnly => "limits-only",
            Self::SingleUser => "single-user",
            Self::Full => "full",
        }
    }
}

impl Default for Isolation {
    fn default() -> Self {
        Self::of_this_user()
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
