//! The figures as a table of a page, between two marks.

use crate::error::{BenchError, Tried};
use crate::report::{Outcome, number};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- figures: written by the bench -->\n";
const END: &str = "<!-- end of the figures -->\n";

/// Puts the figures where the page has its marks.
///
/// # Errors
/// There is no such page, or it has no marks.
pub(crate) fn write(path: &Path, outcomes: &[Outcome]) -> Result<(), BenchError> {
    let text = fs::read_to_string(path).tried(|| format!("reading {}", path.display()))?;
    let text = replaced(&text, &table(outcomes))
        .ok_or_else(|| BenchError::Usage(format!("{} has no place for figures", path.display())))?;
    fs::write(path, text).tried(|| format!("writing {}", path.display()))
}

fn table(outcomes: &[Outcome]) -> String {
    let names: Vec<&str> = outcomes
        .first()
        .map(|outcome| outcome.series.iter().map(|(name, _)| name.as_str()).collect())
        .unwrap_or_default();
    let mut text = format!("| workload | figure | {} | ratio |\n|---|---|", names.join(" | "));
    text.push_str(&"---|".repeat(names.len() + 1));
    text.push('\n');
    for outcome in outcomes {
        for (row, metric) in outcome.metrics().into_iter().enumerate() {
            let name = if row == 0 { outcome.workload.name } else { "" };
            let _ = write!(text, "| {name} | {} |", metric.label());
            for contender in 0..names.len() {
                let _ = write!(text, " {} |", number(outcome.median(contender, metric)));
            }
            let ratio = outcome.ratio(metric).filter(|_| metric.is_of_a_broker());
            let _ = writeln!(text, " {} |", ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")));
        }
        for reason in &outcome.void {
            let _ = writeln!(text, "| {} | void | {reason} |", outcome.workload.name);
        }
    }
    text
}

fn replaced(page: &str, table: &str) -> Option<String> {
    let (head, rest) = page.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n{table}\n{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figures, Metric, Series};
    use crate::workload::DURABLE;

    #[test]
    fn figures_stand_between_the_marks_and_nothing_else_changes() {
        let mut series = [Series::default(), Series::default()];
        series[0].push(Figures::from([(Metric::AckedThroughput, 3000.0), (Metric::SyncTime, 12.0)]));
        series[1].push(Figures::from([(Metric::AckedThroughput, 2000.0)]));
        let [ours, theirs] = series;
        let series = vec![("pondhawk".to_owned(), ours), ("mosquitto".to_owned(), theirs)];
        let outcome = Outcome { workload: &DURABLE[0], series, void: vec!["lost".to_owned()] };
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        let page = replaced(&page, &table(&[outcome])).expect("marks");
        assert_eq!(
            page,
            format!(
                "before\n{BEGIN}\n| workload | figure | pondhawk | mosquitto | ratio |\n|---|---|---|---|---|\n\
                 | queue-200 | acknowledged/s | 3000 | 2000 | 1.50 |\n|  | fdatasync us | 12.00 | - |  |\n\
                 | queue-200 | void | lost |\n\n{END}after\n"
            )
        );
        assert_eq!(replaced("no marks", ""), None);
    }
}
