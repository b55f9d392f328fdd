//! Queued messages are read back for sessions that hold no more than their place in memory.

use super::Log;
use crate::StoreError;
use crate::engine::Engine;
use crate::format::{Clock, Damage, Found, Key, LastSource, Opened};
use pondhawk_broker::{Fetch, Page};
use pondhawk_session::server::{Delivery, Message, Seq};
use std::ops::ControlFlow;
use std::sync::Arc;

impl<E: Engine> Log<E> {
    /// Reads what is asked for, of what was written; what is damaged is left out and named. All of it that was there
    /// when it became durable is there now, unless its session has ended.
    ///
    /// # Errors
    /// If the engine cannot read: it may when it is asked again.
    pub fn page(&self, fetch: &Fetch, clock: Clock) -> Result<Page, StoreError> {
        let mut page = Page { messages: Vec::new(), through: fetch.through, lost: Vec::new() };
        let Some(session) = self.index.sessions.get(&fetch.client_id) else {
            return Ok(page);
        };
        let mut reader = Reader { engine: &self.engine, clock, source: LastSource::default() };
        let from = Key::Queued(session.number, fetch.from).encode();
        let to = Key::Queued(session.number, Seq(fetch.through.0.saturating_add(1))).encode();
        let (mut bytes, mut unread) = (0, None);
        self.engine.scan(&from, Some(&to), &mut |key, value| {
            let Ok(Key::Queued(_, seq)) = Key::decode(key) else {
                return ControlFlow::Continue(());
            };
            match reader.entry(key, value) {
                Ok(Ok((message, delivery))) => {
                    bytes += message.size();
                    page.messages.push((seq, message, delivery));
                }
                Ok(Err(_)) => page.lost.push(seq),
                Err(error) => {
                    unread = Some(error);
                    return ControlFlow::Break(());
                }
            }
            if bytes < fetch.bytes {
                return ControlFlow::Continue(());
            }
            page.through = seq;
            ControlFlow::Break(())
        })?;
        unread.map_or(Ok(page), Err)
    }
}

/// Reads the entries of one queue.
struct Reader<'a, E> {
    engine: &'a E,
    clock: Clock,
    source: LastSource,
}

impl<E: Engine> Reader<'_, E> {
    /// An entry, or how it is damaged.
    fn entry(
        &mut self,
        key: &[u8],
        value: &[u8],
    ) -> Result<Result<(Arc<Message>, Delivery), Damage>, StoreError> {
        let (delivery, content) = match Opened::new(key, value, self.clock).and_then(Opened::entry) {
            Ok(entry) => entry,
            Err(damage) => return Ok(Err(damage)),
        };
        let message = match content {
            Found::Inline(body) => Ok(body.to_message(&mut self.source)),
            Found::Shared(body) => {
                let key = Key::Body(body).encode();
                let value = self.engine.get(&key)?.unwrap_or_default();
                let body = Opened::new(&key, &value, self.clock).and_then(Opened::message);
                body.map(|body| body.to_message(&mut self.source))
            }
        };
        Ok(message.map(|message| (message, delivery)))
    }
}
