//! What was measured, as a table for people and as JSON for programs, and whether it is enough.

use crate::figure::{Metric, Series};
use crate::workload::{Floor, Workload};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A floor missed by more than this factor fails a quick run, whose figures are rough.
const WIDE_MARGIN: f64 = 2.0;

/// All runs of one workload.
pub(crate) struct Outcome {
    pub(crate) workload: &'static Workload,
    /// Contenders and their runs: ours first, then Mosquitto, then the others.
    pub(crate) series: Vec<(String, Series)>,
    /// Runs that do not count, and why.
    pub(crate) void: Vec<String>,
}

/// How a floor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// Missed, but not by much.
    Missed,
    /// Missed more than twice over.
    MissedWidely,
    /// A contender gave no figure.
    NotMeasured,
}

impl Outcome {
    pub(crate) fn median(&self, contender: usize, metric: Metric) -> Option<f64> {
        self.series.get(contender)?.1.median(metric)
    }

    /// Our figure as a share of Mosquitto's.
    pub(crate) fn ratio(&self, metric: Metric) -> Option<f64> {
        let theirs = self.median(1, metric).filter(|figure| *figure > 0.0)?;
        Some(self.median(0, metric)? / theirs)
    }

    /// How the workload's floor stands, if it has one.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        // How much of what is allowed is used up: 1 is just enough.
        let used = match self.workload.floor? {
            Floor::Ratio(metric, at_most) => self.ratio(metric).map(|found| found / at_most),
            Floor::RatioAtLeast(metric, at_least) => self.ratio(metric).map(|found| at_least / found),
            Floor::AtMost(metric, at_most) => self.median(0, metric).map(|found| found / at_most),
        };
        Some(match used {
            None => Verdict::NotMeasured,
            Some(used) if used <= 1.0 => Verdict::Pass,
            Some(used) if used <= WIDE_MARGIN => Verdict::Missed,
            Some(_) => Verdict::MissedWidely,
        })
    }

    /// True if this workload lets the bench end well.
    pub(crate) fn is_enough(&self, quick: bool) -> bool {
        let floor_holds = match self.verdict() {
            None | Some(Verdict::Pass) => true,
            Some(Verdict::Missed) => quick,
            Some(Verdict::MissedWidely | Verdict::NotMeasured) => false,
        };
        self.void.is_empty() && floor_holds
    }

    /// What was measured, in the order of the report.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let mut metrics: Vec<_> = self.series.iter().flat_map(|(_, series)| series.metrics()).collect();
        metrics.sort_unstable();
        metrics.dedup();
        metrics
    }

    /// The workload's part of the table.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{:<22}", self.workload.name);
        for (name, _) in &self.series {
            let _ = write!(text, "{name:>12}");
        }
        text.push_str("     ratio\n");
        for metric in self.metrics() {
            let _ = write!(text, "  {:<20}", metric.label());
            for contender in 0..self.series.len() {
                let _ = write!(text, "{:>12}", number(self.median(contender, metric)));
            }
            let ratio = if metric.is_of_a_broker() { self.ratio(metric) } else { None };
            let _ = write!(text, "{:>10}", ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}")));
            if let Some(floor) = self.workload.floor.filter(|floor| floor.metric() == metric) {
                let _ = write!(text, "   {}", self.judgement(floor));
            }
            text.push('\n');
        }
        for reason in &self.void {
            let _ = writeln!(text, "  VOID {reason}");
        }
        text
    }

    fn judgement(&self, floor: Floor) -> String {
        let verdict = match self.verdict() {
            Some(Verdict::Pass) => "PASS",
            Some(Verdict::Missed | Verdict::MissedWidely) => "FAIL",
            Some(Verdict::NotMeasured) | None => "NOT MEASURED",
        };
        match floor {
            Floor::Ratio(_, at_most) => format!("floor ratio <= {at_most} {verdict}"),
            Floor::RatioAtLeast(_, at_least) => format!("floor ratio >= {at_least} {verdict}"),
            Floor::AtMost(_, at_most) => format!("floor <= {at_most} {verdict}"),
        }
    }

    /// The workload's part of the JSON.
    pub(crate) fn json(&self) -> Value {
        let contenders: Map<String, Value> = self
            .series
            .iter()
            .map(|(name, series)| {
                let figures: Map<String, Value> = series
                    .metrics()
                    .map(|metric| {
                        let value = json!({ "median": series.median(metric), "runs": series.values(metric) });
                        (metric.key().to_owned(), value)
                    })
                    .collect();
                (name.clone(), Value::Object(figures))
            })
            .collect();
        let ratios: Map<String, Value> = self
            .metrics()
            .into_iter()
            .filter(|metric| metric.is_of_a_broker())
            .filter_map(|metric| Some((metric.key().to_owned(), json!(self.ratio(metric)?))))
            .collect();
        json!({
            "name": self.workload.name,
            "contenders": contenders,
            "ratio_to_mosquitto": ratios,
            "floor": self.floor_json(),
            "void": self.void,
        })
    }

    fn floor_json(&self) -> Value {
        let (metric, kind, bound, at) = match self.workload.floor {
            None => return Value::Null,
            Some(Floor::Ratio(metric, at)) => (metric, "ratio_to_mosquitto", "at_most", at),
            Some(Floor::RatioAtLeast(metric, at)) => (metric, "ratio_to_mosquitto", "at_least", at),
            Some(Floor::AtMost(metric, at)) => (metric, "absolute", "at_most", at),
        };
        json!({
            "metric": metric.key(),
            "kind": kind,
            bound: at,
            "pass": self.verdict() == Some(Verdict::Pass),
        })
    }
}

/// A figure with as many digits as mean something.
pub(crate) fn number(figure: Option<f64>) -> String {
    match figure {
        None => "-".to_owned(),
        Some(figure) if figure < 1.0 => format!("{figure:.3}"),
        Some(figure) if figure < 100.0 => format!("{figure:.2}"),
        Some(figure) => format!("{figure:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Figures;
    use crate::workload::WORKLOADS;

    fn outcome(ours: f64, theirs: Option<f64>) -> Outcome {
        let series = |figure: Option<f64>| {
            let mut series = Series::default();
            if let Some(figure) = figure {
                series.push(Figures::from([(Metric::CpuPerDelivery, figure)]));
            }
            series
        };
        Outcome {
            workload: &WORKLOADS[0],
            series: vec![
                ("pondhawk".to_owned(), series(Some(ours))),
                ("mosquitto".to_owned(), series(theirs)),
            ],
            void: Vec::new(),
        }
    }

    #[test]
    fn floors_are_judged_and_quick_runs_forgive_a_little() {
        for (ours, theirs, verdict, enough) in [
            (0.5, Some(4.0), Verdict::Pass, (true, true)),
            (1.0, Some(4.0), Verdict::Missed, (false, true)),
            (2.0, Some(4.0), Verdict::MissedWidely, (false, false)),
            (0.5, None, Verdict::NotMeasured, (false, false)),
        ] {
            let outcome = outcome(ours, theirs);
            assert_eq!(outcome.verdict(), Some(verdict));
            assert_eq!((outcome.is_enough(false), outcome.is_enough(true)), enough);
        }
    }

    #[test]
    fn a_floor_can_be_from_below() {
        for (ours, verdict) in [(4.0, Verdict::Pass), (3.0, Verdict::Missed), (1.0, Verdict::MissedWidely)] {
            let mut outcome = outcome(ours, Some(4.0));
            let workload =
                Workload { floor: Some(Floor::RatioAtLeast(Metric::CpuPerDelivery, 1.0)), ..WORKLOADS[0] };
            outcome.workload = Box::leak(Box::new(workload));
            assert_eq!(outcome.verdict(), Some(verdict));
        }
    }

    #[test]
    fn a_void_run_is_never_enough() {
        let mut outcome = outcome(0.1, Some(4.0));
        outcome.void.push("pondhawk: 1 message lost".to_owned());
        assert!(!outcome.is_enough(true));
        assert!(outcome.table().contains("VOID pondhawk: 1 message lost"));
    }

    #[test]
    fn table_and_json_hold_the_figures() {
        let outcome = outcome(0.5, Some(4.0));
        let table = outcome.table();
        assert!(table.contains("0.500") && table.contains("4.00") && table.contains("0.125"), "{table}");
        assert!(table.contains("floor ratio <= 0.15 PASS"), "{table}");
        let json = outcome.json();
        assert_eq!(json["contenders"]["pondhawk"]["cpu_us_per_delivery"]["median"], 0.5);
        assert_eq!(json["ratio_to_mosquitto"]["cpu_us_per_delivery"], 0.125);
        assert_eq!(json["floor"]["pass"], true);
    }
}
