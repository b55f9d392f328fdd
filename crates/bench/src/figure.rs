//! Figures: what a run measures, and how several runs become one.

use std::collections::BTreeMap;

/// A kind of figure. The order is the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Microseconds of broker CPU time a delivered message.
    CpuPerDelivery,
    /// Delivered messages a second.
    Throughput,
    /// Microseconds from publisher to subscriber, median.
    LatencyP50,
    /// The same, 99th percentile.
    LatencyP99,
    /// The same, 99.9th percentile.
    LatencyP999,
    /// Resident bytes of the broker a connection.
    BytesPerConnection,
    /// Microseconds of broker CPU time to accept a connection.
    CpuPerConnect,
    /// Acknowledged messages a second.
    AckedThroughput,
    /// Microseconds of broker CPU time an acknowledged message.
    CpuPerAcked,
    /// Microseconds that this disk takes to write and sync a window of messages, in the same run.
    SyncTime,
    /// Acknowledged messages a second if nothing but that sync took time.
    SyncLimit,
    /// What of it was reached.
    ShareOfLimit,
    /// Resident megabytes of the broker with all that it keeps.
    Resident,
    /// Megabytes on disk.
    StoreSize,
    /// Seconds from the start of the process to the first CONNACK.
    StartTime,
    /// The same for each gigabyte on disk.
    StartPerGigabyte,
    /// Resident megabytes after that.
    ResidentRestarted,
    /// Messages a second to the client that comes back.
    DrainThroughput,
    /// Microseconds of broker CPU time for each of them.
    CpuPerDrained,
    /// Share of one core that the load generator used, in percent. Near 100 the broker was waited on by it.
    GeneratorLoad,
}

impl Metric {
    /// Name and unit as the report prints them.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Metric::CpuPerDelivery => "CPU us/delivery",
            Metric::Throughput => "deliveries/s",
            Metric::LatencyP50 => "latency p50 us",
            Metric::LatencyP99 => "latency p99 us",
            Metric::LatencyP999 => "latency p99.9 us",
            Metric::BytesPerConnection => "bytes/connection",
            Metric::CpuPerConnect => "CPU us/connect",
            Metric::AckedThroughput => "acknowledged/s",
            Metric::CpuPerAcked => "CPU us/acknowledged",
            Metric::SyncTime => "fdatasync us",
            Metric::SyncLimit => "limit of the disk/s",
            Metric::ShareOfLimit => "share of that limit",
            Metric::Resident => "resident MB",
            Metric::StoreSize => "on disk MB",
            Metric::StartTime => "start s",
            Metric::StartPerGigabyte => "start s/GB",
            Metric::ResidentRestarted => "resident then MB",
            Metric::DrainThroughput => "drained/s",
            Metric::CpuPerDrained => "CPU us/drained",
            Metric::GeneratorLoad => "generator load %",
        }
    }

    /// Name as JSON has it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Metric::CpuPerDelivery => "cpu_us_per_delivery",
            Metric::Throughput => "deliveries_per_s",
            Metric::LatencyP50 => "latency_p50_us",
            Metric::LatencyP99 => "latency_p99_us",
            Metric::LatencyP999 => "latency_p999_us",
            Metric::BytesPerConnection => "bytes_per_connection",
            Metric::CpuPerConnect => "cpu_us_per_connect",
            Metric::AckedThroughput => "acked_per_s",
            Metric::CpuPerAcked => "cpu_us_per_acked",
            Metric::SyncTime => "fdatasync_us",
            Metric::SyncLimit => "disk_limit_per_s",
            Metric::ShareOfLimit => "share_of_disk_limit",
            Metric::Resident => "resident_mb",
            Metric::StoreSize => "store_mb",
            Metric::StartTime => "start_s",
            Metric::StartPerGigabyte => "start_s_per_gb",
            Metric::ResidentRestarted => "resident_restarted_mb",
            Metric::DrainThroughput => "drained_per_s",
            Metric::CpuPerDrained => "cpu_us_per_drained",
            Metric::GeneratorLoad => "generator_load_percent",
        }
    }

    /// True if it says something about a broker, so that two brokers' figures can be compared.
    pub(crate) fn is_of_a_broker(self) -> bool {
        !matches!(self, Metric::GeneratorLoad | Metric::SyncTime | Metric::SyncLimit)
    }
}

/// What one run measured.
pub(crate) type Figures = BTreeMap<Metric, f64>;

/// What several runs of one contender measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    runs: Vec<Figures>,
}

impl Series {
    /// Adds a run.
    pub(crate) fn push(&mut self, figures: Figures) {
        self.runs.push(figures);
    }

    /// The metrics that were measured.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = Metric> + '_ {
        self.runs.first().into_iter().flat_map(|figures| figures.keys().copied())
    }

    /// The values of a metric, run by run.
    pub(crate) fn values(&self, metric: Metric) -> Vec<f64> {
        self.runs.iter().filter_map(|figures| figures.get(&metric).copied()).collect()
    }

    /// The median over the runs.
    pub(crate) fn median(&self, metric: Metric) -> Option<f64> {
        let mut values = self.values(metric);
        values.sort_by(f64::total_cmp);
        let middle = values.len().checked_sub(1)? / 2;
        if values.len() % 2 == 1 {
            Some(values[middle])
        } else {
            Some(f64::midpoint(values[middle], values[middle + 1]))
        }
    }
}

/// The value below or at which `share` (0 to 1) of the sorted values lie.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let mut series = Series::default();
        for value in values {
            series.push(Figures::from([(Metric::Throughput, *value)]));
        }
        series
    }

    #[test]
    fn medians() {
        assert_eq!(series(&[]).median(Metric::Throughput), None);
        assert_eq!(series(&[3.0]).median(Metric::Throughput), Some(3.0));
        assert_eq!(series(&[9.0, 1.0, 2.0]).median(Metric::Throughput), Some(2.0));
        assert_eq!(series(&[4.0, 1.0, 2.0, 9.0]).median(Metric::Throughput), Some(3.0));
        assert_eq!(series(&[4.0]).median(Metric::LatencyP50), None);
    }

    #[test]
    fn percentiles() {
        let values: Vec<u64> = (1..=1000).collect();
        assert_eq!(percentile(&values, 0.5), Some(500));
        assert_eq!(percentile(&values, 0.99), Some(990));
        assert_eq!(percentile(&values, 0.999), Some(999));
        assert_eq!(percentile(&values, 1.0), Some(1000));
        assert_eq!(percentile(&[7], 0.5), Some(7));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
