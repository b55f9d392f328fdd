//! Writes files as Mosquitto does, byte by byte, from a description that shares nothing with the reader.

/// A file that grows.
pub struct File {
    pub bytes: Vec<u8>,
    format: u32,
    tight: bool,
}

/// A message and what refers to it.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    pub id: u64,
    pub expires_at_s: i64,
    pub qos: u8,
    pub retain: bool,
    pub topic: &'a [u8],
    pub payload: &'a [u8],
    pub properties: &'a [u8],
}

impl Default for Stored<'_> {
    fn default() -> Self {
        Stored { id: 1, expires_at_s: 0, qos: 1, retain: false, topic: b"t", payload: b"p", properties: b"" }
    }
}

/// An entry of a client's lists.
#[derive(Clone, Copy)]
pub struct Item {
    pub message: u64,
    pub mid: u16,
    pub qos: u8,
    pub state: u8,
    pub outgoing: bool,
}

impl File {
    pub fn new(format: u32) -> Self {
        let mut file = File { bytes: b"\0\xb5\0mosquitto db\0\0\0\0".to_vec(), format, tight: false };
        file.bytes.extend(format.to_be_bytes());
        file.chunk(1, &[&9u64.to_ne_bytes(), &[1, 8, 0, 0, 0, 0, 0, 0]]);
        file
    }

    /// As 32-bit x86 lays out its structures.
    pub fn tight(format: u32) -> Self {
        let mut file = File::new(format);
        file.bytes.truncate(23);
        file.tight = true;
        file.chunk(1, &[&9u64.to_ne_bytes(), &[1, 8, 0, 0]]);
        file
    }

    pub fn chunk(&mut self, kind: u32, parts: &[&[u8]]) {
        let body = parts.concat();
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend((body.len() as u32).to_be_bytes());
        self.bytes.extend(body);
    }

    pub fn stored(&mut self, stored: &Stored<'_>) {
        self.chunk(
            2,
            &[
                &stored.id.to_ne_bytes(),
                &stored.expires_at_s.to_ne_bytes(),
                &(stored.payload.len() as u32).to_be_bytes(),
                &[0, 7, 0, 3, 0, 4],
                &(stored.topic.len() as u16).to_be_bytes(),
                &1883u16.to_be_bytes(),
                &[stored.qos, u8::from(stored.retain)],
                b"pubbert",
                stored.topic,
                stored.payload,
                stored.properties,
            ],
        );
    }

    pub fn client(&mut self, id: &[u8], (expiry_s, ends_at_s): (u32, i64), username: &[u8]) {
        let mut fixed = ends_at_s.to_ne_bytes().to_vec();
        fixed.extend(expiry_s.to_be_bytes());
        fixed.extend(3u16.to_be_bytes());
        fixed.extend((id.len() as u16).to_be_bytes());
        if self.format >= 6 {
            fixed.extend(1884u16.to_be_bytes());
            fixed.extend((username.len() as u16).to_be_bytes());
            fixed.extend(if self.tight { &[][..] } else { &[0; 4] });
        }
        self.chunk(6, &[&fixed, id, if self.format >= 6 { username } else { b"" }]);
    }

    pub fn item(&mut self, client: &[u8], item: Item, properties: &[u8]) {
        self.chunk(
            3,
            &[
                &item.message.to_ne_bytes(),
                &item.mid.to_be_bytes(),
                &(client.len() as u16).to_be_bytes(),
                &[item.qos, item.state, 0x11, u8::from(item.outgoing)],
                client,
                properties,
            ],
        );
    }

    pub fn subscription(&mut self, client: &[u8], filter: &[u8], (qos, options, id): (u8, u8, u32)) {
        let lengths = [(client.len() as u16).to_be_bytes(), (filter.len() as u16).to_be_bytes()].concat();
        self.chunk(5, &[&id.to_be_bytes(), &lengths, &[qos, options, 0, 0], client, filter]);
    }

    pub fn retained(&mut self, message: u64) {
        self.chunk(4, &[&message.to_ne_bytes()]);
    }
}
