//! Interim.
use std::time::Duration;
#[derive(Default)]
pub struct Figures {
    pub uptime: Duration,
    pub resident_bytes: Option<u64>,
    pub n: u64,
}
impl Figures {
    pub fn add(&mut self, r: &crate::pump::Report) {
        self.n += r.counters.connected;
    }
}
pub struct SysTree;
impl SysTree {
    pub fn new() -> Self {
        SysTree
    }
    pub fn update(&mut self, f: &Figures) -> Vec<(String, String)> {
        vec![("$SYS/broker/clients/connected".into(), f.n.to_string())]
    }
}
