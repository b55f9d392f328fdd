//! What a run has shown, as text and as JSON.

use crate::ledger::Ledger;
use crate::ledger::fault::Kind;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// What was counted outside of the ledger.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) seed: u64,
    pub(crate) kills: u64,
    pub(crate) kills_at_start: u64,
    /// What each start took until clients were served.
    pub(crate) starts: Vec<Duration>,
    /// Starts that the broker refused because of its disk.
    pub(crate) starts_refused: u64,
    pub(crate) syncs_failed: u64,
    pub(crate) fulls: u64,
    pub(crate) bytes_forgotten: u64,
    pub(crate) received: u64,
    pub(crate) repeated: u64,
    /// Looks at all retained messages.
    pub(crate) looks: u64,
    pub(crate) began: Instant,
    /// Until the load ended.
    pub(crate) load_took: Duration,
    pub(crate) took: Duration,
}

impl Figures {
    pub(crate) fn new(seed: u64) -> Self {
        Figures {
            seed,
            kills: 0,
            kills_at_start: 0,
            starts: Vec::new(),
            starts_refused: 0,
            syncs_failed: 0,
            fulls: 0,
            bytes_forgotten: 0,
            received: 0,
            repeated: 0,
            looks: 0,
            began: Instant::now(),
            load_took: Duration::ZERO,
            took: Duration::ZERO,
        }
    }
}

/// The report of a run.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) figures: &'a Figures,
    pub(crate) ledger: &'a Ledger,
}

impl Report<'_> {
    /// Nothing was wrong, and something was done: a run without messages shows nothing.
    pub(crate) fn is_good(&self) -> bool {
        self.ledger.faults().total() == 0 && self.ledger.acked_total() > 0 && self.figures.received > 0
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.rows() {
            // Writing to a string does not fail; neither does it below.
            let _ = writeln!(text, "{:<28}{}", name.replace('_', " "), shown(&value));
        }
        let is_good = self.is_good();
        let faults = self.ledger.faults();
        for fault in faults.texts() {
            let _ = writeln!(text, "  {fault}");
        }
        let verdict = if is_good {
            "everything that was acknowledged was kept"
        } else if faults.total() > 0 {
            "NOT everything that was acknowledged was kept as it must be"
        } else {
            "nothing was acknowledged and received: this run shows nothing"
        };
        let _ = writeln!(text, "{verdict}");
        text
    }

    pub(crate) fn json(&self) -> Value {
        let mut object: Map<String, Value> =
            self.rows().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        object.insert("good".to_owned(), self.is_good().into());
        object.insert("texts".to_owned(), self.ledger.faults().texts().collect());
        Value::Object(object)
    }

    fn rows(&self) -> Vec<(&'static str, Value)> {
        let figures = self.figures;
        let (sent_1, acked_1) = self.ledger.totals(1);
        let (sent_2, acked_2) = self.ledger.totals(2);
        let wills: usize =
            (0..self.ledger.testators()).map(|testator| self.ledger.wills(testator).len()).sum();
        let mut starts = figures.starts.clone();
        starts.sort_unstable();
        let millis = |span: Option<&Duration>| span.map_or(0, |span| span.as_millis() as u64);
        let per_second = self.ledger.acked_total() as f64 / figures.load_took.as_secs_f64().max(0.001);
        let mut rows = vec![
            ("seed", json!(figures.seed)),
            ("kills_under_load", json!(figures.kills)),
            ("kills_while_it_started", json!(figures.kills_at_start)),
            ("starts_refused", json!(figures.starts_refused)),
            ("syncs_failed", json!(figures.syncs_failed)),
            ("disks_filled", json!(figures.fulls)),
            ("bytes_forgotten_by_the_disk", json!(figures.bytes_forgotten)),
            ("sent_at_qos_1", json!(sent_1)),
            ("acknowledged_at_qos_1", json!(acked_1)),
            ("sent_at_qos_2", json!(sent_2)),
            ("acknowledged_at_qos_2", json!(acked_2)),
            ("acknowledged_a_second", json!(per_second.round() as u64)),
            ("received", json!(figures.received)),
            ("repeated_at_qos_1", json!(figures.repeated)),
            ("connections_with_a_will", json!(wills)),
            ("looks_at_retained", json!(figures.looks)),
            ("start_median_ms", json!(millis(starts.get(starts.len() / 2)))),
            ("start_longest_ms", json!(millis(starts.last()))),
            ("took_s", json!((figures.took.as_secs_f64() * 10.0).round() / 10.0)),
        ];
        let faults = self.ledger.faults();
        rows.extend(Kind::ALL.iter().map(|(kind, name)| (*name, json!(faults.count(*kind)))));
        rows
    }
}

fn shown(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Plan;

    #[test]
    fn a_run_is_good_only_if_something_was_kept_and_nothing_was_wrong() {
        let ledger = Ledger::new(vec![Plan { qos: 1, retain: false, topics: 1 }], 0);
        let mut figures = Figures::new(1);
        assert!(Report { figures: &figures, ledger: &ledger }.text().contains("this run shows nothing"));
        let number = ledger.send(0);
        ledger.acked(0, number);
        figures.received = 1;
        let text = Report { figures: &figures, ledger: &ledger }.text();
        assert!(text.ends_with("everything that was acknowledged was kept\n"), "{text}");
        ledger.fault(Kind::Lost, "message 0 is lost".to_owned());
        let report = Report { figures: &figures, ledger: &ledger };
        assert!(report.text().contains("  message 0 is lost\nNOT everything"), "{}", report.text());
        assert_eq!((report.json()["good"].clone(), report.json()["lost"].clone()), (json!(false), json!(1)));
    }
}
