//! The surroundings of the shards: everybody may do everything, and no authentication method is known.

use pondhawk_broker::{Gate, Host, Note, NoteKind, Slot, Source};
use pondhawk_codec::packet::Connect;
use pondhawk_codec::{Property, reason};

/// An open house. Its entropy is a sequence that begins with the shard's number.
pub(super) struct OpenHouse(pub(super) u64);

impl Host for OpenHouse {
    type Identity = ();

    fn gate(&self, _listener: u16, connect: &Connect<'_>) -> Gate {
        let method =
            |property: Property<'_>| matches!(property, Property::AuthenticationMethod(_)).then_some(());
        match connect.properties.find(method) {
            Some(()) => Gate::Refuse(reason::BAD_AUTHENTICATION_METHOD),
            None => Gate::Accept,
        }
    }

    fn identify(&self, _listener: u16, _username: Option<&str>, _client_id: &str) {}

    fn may_publish(&self, (): &(), _topic: &str) -> bool {
        true
    }

    fn may_receive(&self, (): &(), _topic: &str) -> bool {
        true
    }

    fn may_subscribe(&self, (): &(), _filter: &str) -> bool {
        true
    }

    fn source_may_publish(&self, _source: &Source, _topic: &str) -> bool {
        true
    }

    fn reserve(&mut self, _slot: Slot) -> bool {
        true
    }

    fn release(&mut self, _slot: Slot) {}

    fn retained_changed(&mut self, _messages: isize, _bytes: isize) {}

    fn retained_total(&self) -> (usize, usize) {
        (0, 0)
    }

    fn entropy(&mut self) -> u128 {
        let mut next = || {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            u128::from(mixed ^ mixed >> 31)
        };
        next() << 64 | next()
    }

    fn wants(&self, _kind: NoteKind) -> bool {
        false
    }

    fn note(&mut self, _note: &Note<'_>) {}
}
