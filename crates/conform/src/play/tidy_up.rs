//! Leaves a broker as it was: no session and no retained message of a vector stays behind.

use super::Player;
use crate::bytes::{packet, parse, sized};
use crate::packet::{any_properties, frame_len, number};
use crate::peer::{Allowance, Next, Peer};
use crate::transport::{Link, Transport};

impl<T: Transport> Player<'_, T> {
    /// Notes what the broker may keep because of these bytes.
    pub(super) fn remember(&mut self, link: &str, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(link) else { return };
        let mut rest = bytes;
        while let Ok(Some(len)) = frame_len(rest)
            && len <= rest.len()
        {
            let (frame, behind) = rest.split_at(len);
            rest = behind;
            let body = &frame[frame.len().min(2)..];
            if frame[0] & 0xF1 == 0x31 && body.len() >= 2 {
                let topic_len = usize::from(body[0]) << 8 | usize::from(body[1]);
                self.retained.extend(body.get(2..2 + topic_len).map(<[u8]>::to_vec));
            }
            if frame[0] == 0x10
                && let Some(connect) = Connect::read(body)
            {
                peer.allowance = connect.allowance;
                if connect.kept {
                    self.kept.insert(peer.client.clone());
                }
            }
        }
    }

    /// Ends all connections and removes what was kept. Whatever fails here has been judged before.
    pub(super) fn tidy_up(&mut self) {
        for (_, mut peer) in std::mem::take(&mut self.peers) {
            if peer.connected {
                peer.link.send(&[0xE0, 0]);
            }
            peer.link.cut();
        }
        self.retained.retain(|topic| {
            topic.windows(self.scope.prefix.len()).any(|part| part == self.scope.prefix.as_bytes())
        });
        if self.kept.is_empty() && self.retained.is_empty() {
            return;
        }
        self.scope.version = self.version;
        self.kept.insert(format!("{}zz", self.scope.prefix));
        let (clients, topics) = (std::mem::take(&mut self.kept), std::mem::take(&mut self.retained));
        let properties: &[u8] = if self.scope.version == 5 { &[0] } else { &[] };
        for (index, client) in clients.iter().enumerate() {
            let mut parting = Vec::new();
            for topic in topics.iter().filter(|_| index == 0) {
                parting.extend(packet(0x31, [&sized(topic)[..], properties].concat()));
            }
            parting.extend([0xC0, 0, 0xE0, 0]);
            self.visit(client, &parting);
        }
    }

    /// Connects clean, says something, and waits for the end.
    fn visit(&mut self, client: &str, parting: &[u8]) {
        let name = client.replace(&self.scope.prefix, "@");
        let Ok(connect) = parse(&format!("connect(02 003C p() \"{name}\")"), &self.scope) else { return };
        let Ok(link) = self.transport.open() else { return };
        let mut peer = Peer::new(link, client.to_owned());
        peer.link.send(&[&connect, parting].concat());
        while let Next::Frame(_) = peer.hear() {}
    }
}

/// What matters here of a CONNECT that is well formed so far.
struct Connect {
    /// It may leave a session behind.
    kept: bool,
    allowance: Allowance,
}

impl Connect {
    /// Reads the variable header.
    fn read(body: &[u8]) -> Option<Self> {
        let name = usize::from(*body.first()?) << 8 | usize::from(*body.get(1)?);
        let [level, flags, _, _, rest @ ..] = body.get(2 + name..)? else { return None };
        let mut connect = Connect { kept: flags & 2 == 0, allowance: Allowance::default() };
        if *level == 5
            && let Some((len, behind)) = rest.split_first()
            && *len < 0x80
            && let Some(block) = behind.get(..usize::from(*len))
            && let Ok(properties) = any_properties(block)
        {
            connect.kept |= number(&properties, 0x11).is_some_and(|seconds| seconds > 0);
            connect.allowance.alias_max = number(&properties, 0x22).unwrap_or(0);
            connect.allowance.packet_max =
                number(&properties, 0x27).filter(|max| *max > 0).unwrap_or(u64::MAX);
        }
        Some(connect)
    }
}
