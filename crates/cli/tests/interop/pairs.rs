//! Tests that are made for each pair of broker and tools, out of ours and Debian's.
//!
//! Debian's tools with Debian's broker are the reference: what a function expects of all pairs was recorded there, and
//! that pair shows that the expectation is still right.

use crate::kit::{Broker, Conf};
use crate::runner::{self, Output};
use crate::toolbox::{Maker, Toolbox};

/// Makes a test of every pair out of each function; `$start` makes what the function takes.
macro_rules! for_every_pair {
    ($start:path; $($name:ident),+ $(,)?) => { $(
        mod $name {
            use crate::toolbox::Maker::{Debian, Ours};

            #[test]
            fn foreign_debian_with_debian() {
                $start(Debian, Debian).iter().for_each(super::$name);
            }
            #[test]
            fn foreign_tools_with_our_broker() {
                $start(Ours, Debian).iter().for_each(super::$name);
            }
            #[test]
            fn foreign_broker_with_our_tools() {
                $start(Debian, Ours).iter().for_each(super::$name);
            }
            #[test]
            fn ours_with_ours() {
                $start(Ours, Ours).iter().for_each(super::$name);
            }
        }
    )+ };
}

pub(crate) use for_every_pair;

/// Broker and tools, on a port of the machine's own loopback.
pub struct Pair {
    /// Whose broker.
    pub broker: Toolbox,
    /// Whose tools.
    pub tools: Toolbox,
}

impl Pair {
    /// Makes both toolboxes; nothing when Debian's are wanted and not installed.
    #[track_caller]
    pub fn new(broker: Maker, tools: Maker) -> Option<Self> {
        Some(Self { broker: Toolbox::new(broker)?, tools: Toolbox::new(tools)? })
    }

    /// Starts the broker.
    #[track_caller]
    pub fn start(&self, conf: Conf) -> Broker {
        self.broker.broker(conf).start()
    }

    /// Runs a tool with a command line of words for a broker.
    #[track_caller]
    pub fn run(&self, broker: &Broker, line: &str) -> Output {
        let mut words = line.split(' ');
        let name = words.next().expect("a line has a first word");
        let arguments: Vec<&str> = words.collect();
        runner::run(&mut self.tools.tool(name, broker.port(), &arguments))
    }

    /// Runs a command line and compares.
    #[track_caller]
    pub fn expect(&self, broker: &Broker, line: &str, expected: Output) {
        assert_eq!(self.run(broker, line), expected, "{line}");
    }
}
