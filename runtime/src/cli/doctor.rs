//! `delay doctor`: what is wrong, or soon will be, with the place where tasks live.

use clap::Args;
use serde::Serialize;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Output;
use super::text::{count, plain};
use crate::schemes;
use crate::store::finding::{Bounds, Finding, Weight};

#[derive(Clone, Debug, Args)]
pub(super) struct DoctorArgs {
    /// How long a transaction may have been open before it is named
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    older_than: std::time::Duration,
}

#[derive(Debug, Serialize)]
struct Document {
    /// Whether there is no trouble; notes are none.
    healthy: bool,
    findings: Vec<FindingDocument>,
}

#[derive(Debug, Serialize)]
struct FindingDocument {
    check: &'static str,
    weight: &'static str,
    what: String,
    why: &'static str,
    advice: String,
}

impl DoctorArgs {
    /// Done if all is well; else the exit code that says that it is not.
    pub(super) async fn run(&self, url: &str, output: &Output) -> Result<Exit, Complaint> {
        let bounds = Bounds { old: self.older_than };
        let findings = schemes::doctor(url, bounds).await.map_err(Complaint::unopened)?;
        let healthy = findings.iter().all(|finding| finding.weight == Weight::Note);
        let document =
            Document { healthy, findings: findings.into_iter().map(FindingDocument::from).collect() };
        output.answer(&document, || document.text())?;
        Ok(if healthy { Exit::Done } else { Exit::Found })
    }
}

impl From<Finding> for FindingDocument {
    fn from(Finding { check, weight, what, why, advice }: Finding) -> Self {
        let weight = match weight {
            Weight::Note => "note",
            Weight::Trouble => "trouble",
        };
        Self { check, weight, what, why, advice }
    }
}

impl Document {
    fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let FindingDocument { check, weight, what, why, advice } = finding;
            text +=
                &format!("{weight} [{check}]: {}\n  why: {why}\n  do:  {}\n\n", plain(what), plain(advice));
        }
        match (self.findings.len(), self.healthy) {
            (0, _) => "all is well\n".to_owned(),
            (notes, true) => text + &format!("all is well, with {}\n", count(notes, "note")),
            (all, false) => text + &format!("{}\n", count(all, "finding")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_why_and_what_to_do() {
        let finding = Finding::trouble("bloat", "it is \x1b[1mbig", "it is slow", "make it small");
        let document = Document { healthy: false, findings: vec![finding.into()] };
        let text =
            "trouble [bloat]: it is \\u{1b}[1mbig\n  why: it is slow\n  do:  make it small\n\n1 finding\n";
        assert_eq!(document.text(), text);
        assert_eq!(Document { healthy: true, findings: vec![] }.text(), "all is well\n");
    }
}
