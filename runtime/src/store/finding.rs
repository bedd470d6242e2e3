//! What a look at a store's health finds: what `delay doctor` tells. Each store knows its own troubles; this file knows
//! the form.

use std::time::Duration;

/// Something that somebody should know, or do something about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The check that found it; scripts rely on it: `old-snapshot`.
    pub(crate) check: &'static str,
    pub(crate) weight: Weight,
    /// What is so.
    pub(crate) what: String,
    /// Why it matters.
    pub(crate) why: &'static str,
    /// What to do.
    pub(crate) advice: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Good to know.
    Note,
    /// Costs speed, space or safety, now or soon.
    Trouble,
}

impl Finding {
    pub(crate) fn trouble(
        check: &'static str,
        what: impl Into<String>,
        why: &'static str,
        advice: impl Into<String>,
    ) -> Self {
        Self { check, weight: Weight::Trouble, what: what.into(), why, advice: advice.into() }
    }

    pub(crate) fn note(
        check: &'static str,
        what: impl Into<String>,
        why: &'static str,
        advice: impl Into<String>,
    ) -> Self {
        Self { weight: Weight::Note, ..Self::trouble(check, what, why, advice) }
    }
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// A transaction that has been open for so long is a finding.
    pub(crate) old: Duration,
}
