//! Protocol buffer messages, of which the few fields that are needed are written by hand.

/// A message: fields, each a key (its number and how it is encoded) and a value.
#[derive(Debug, Default)]
pub(crate) struct Message(pub Vec<u8>);

impl Message {
    pub const VARINT: u8 = 0;
    pub const DOUBLE: u8 = 1;
    pub const BYTES: u8 = 2;
    pub const FLOAT: u8 = 5;

    pub fn number(mut self, field: u8, value: u64) -> Message {
        self.key(field, Message::VARINT);
        self.varint(value);
        self
    }

    pub fn float(mut self, field: u8, value: f32) -> Message {
        self.key(field, Message::FLOAT);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn double(mut self, field: u8, value: f64) -> Message {
        self.key(field, Message::DOUBLE);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, field: u8, bytes: impl AsRef<[u8]>) -> Message {
        let bytes = bytes.as_ref();
        self.key(field, Message::BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub fn message(self, field: u8, message: Message) -> Message {
        self.bytes(field, message.0)
    }

    fn key(&mut self, field: u8, encoding: u8) {
        self.varint(u64::from(field) << 3 | u64::from(encoding));
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the encoding's own description (protobuf.dev, "Encoding").
    #[test]
    fn fields_have_the_bytes_of_the_specification() {
        let inner = Message::default().number(1, 150);
        assert_eq!(inner.0, [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().bytes(2, "testing").0, *b"\x12\x07testing");
        assert_eq!(Message::default().message(3, inner).0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().number(20, 7).0, [0xa0, 0x01, 0x07], "a key of two bytes");
    }
}
