//! "Nothing more comes" without waiting: questions whose answers come behind everything else.

use super::{Player, Stop};
use crate::bytes::{packet, sized};
use crate::dissect::describe;
use crate::peer::Next;
use crate::transport::{Link, Transport};
use crate::verdict::Difference;

/// Packet identifier of the barriers' own requests.
const ID: [u8; 2] = [0xFF, 0xFD];

impl<T: Transport> Player<'_, T> {
    /// Waits until what the other connections have sent so far has arrived, and keeps it for the next line. A broker of
    /// many threads answers SUBSCRIBE to a new filter once all of them know of it, behind what they sent before; two
    /// rounds bring what goes by way of a third one.
    pub(super) fn barrier(&mut self, link: &str) -> Result<(), Stop> {
        let connected = self.peers.iter().filter(|(_, peer)| peer.connected);
        let mut all: Vec<String> =
            connected.map(|(name, _)| name.clone()).filter(|name| name != link).collect();
        all.push(link.to_owned());
        for name in &all {
            self.ask_all_threads(name)?;
        }
        self.ping(link)
    }

    fn ask_all_threads(&mut self, link: &str) -> Result<(), Stop> {
        self.barriers += 1;
        self.speak_as(link);
        let filter = sized(format!("{}/~{}", self.scope.prefix, self.barriers));
        let properties: &[u8] = if self.scope.version == 5 { &[0] } else { &[] };
        self.ask(link, &packet(0x82, [&ID, properties, &filter, &[0]].concat()), 0x90)?;
        self.ask(link, &packet(0xA2, [&ID, properties, &filter].concat()), 0xB0)
    }

    fn ping(&mut self, link: &str) -> Result<(), Stop> {
        self.ask(link, &[0xC0, 0], 0xD0)
    }

    /// Sends a request and keeps what comes before its answer.
    fn ask(&mut self, link: &str, request: &[u8], answer: u8) -> Result<(), Stop> {
        let peer = self.peer(link)?;
        if !peer.connected {
            return Ok(());
        }
        peer.link.send(request);
        loop {
            match peer.hear() {
                Next::Frame(frame)
                    if frame[0] == answer && (answer == 0xD0 || frame.get(2..4) == Some(&ID)) =>
                {
                    return Ok(());
                }
                Next::Frame(frame) => peer.put_back(frame),
                // Whoever judges the connection next hears of its end.
                Next::Closed(_) | Next::Noise(_) | Next::Alive => return Ok(()),
                Next::Silence(_) => {
                    return Err(Stop::Difference(Difference {
                        line: String::new(),
                        expected: format!("an answer to {}", describe(request)),
                        got: "no answer".to_owned(),
                    }));
                }
            }
        }
    }

    /// At the end of a script every connection that should be alive is, and has sent no more than was expected.
    pub(super) fn nothing_is_left(&mut self) -> Result<(), Stop> {
        let names: Vec<String> = self.peers.keys().cloned().collect();
        for link in names {
            if !self.peer(&link)?.connected && self.peer(&link)?.pending().is_none() {
                continue;
            }
            self.ping(&link)?;
            let peer = self.peer(&link)?;
            let got = match (peer.pending(), peer.closed) {
                (Some(frame), _) => describe(frame),
                (None, true) => "the end of the connection".to_owned(),
                (None, false) => continue,
            };
            let expected = format!("nothing more on {link}, and an answer to PINGREQ");
            return Err(Stop::Difference(Difference { line: String::new(), expected, got }));
        }
        Ok(())
    }
}
