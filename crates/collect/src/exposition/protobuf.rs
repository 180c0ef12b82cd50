//! The wire format of protocol buffers: read in place, written into a buffer.
//!
//! It knows fields, not messages: what a field means is up to its caller. Nothing is copied, and
//! every length is checked against what is there. Groups, which no message of ours has, are refused.

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed protocol buffer")]
pub struct Malformed;

/// The content of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    /// A text, a message, or numbers packed together.
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Yields the fields of a message in the order in which they were written.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The fields that have not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let key = varint(&mut self.rest)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed),
        };
        Ok((key >> 3, value))
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Takes a number off the front of `bytes`.
#[inline]
pub fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Ok(number);
        }
    }
    Err(Malformed)
}

/// Writes a message field by field. What is zero or empty is left out, as proto3 does.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    pub fn varint(&mut self, field: u64, number: u64) {
        if number != 0 {
            self.raw_varint(field << 3);
            self.raw_varint(number);
        }
    }

    /// A float, written even when it is zero: a sample's value is never left out.
    pub fn double(&mut self, field: u64, value: f64) {
        self.raw_varint((field << 3) | 1);
        self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    pub fn text(&mut self, field: u64, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    /// A message within, written even when it is empty.
    pub fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.raw_varint((field << 3) | 2);
        self.raw_varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// A number without a field around it.
    pub fn raw_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number as u8 & 0x7f) | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bytes: &[u8], expected: Result<Vec<(u64, Value<'_>)>, Malformed>) {
        assert_eq!(Fields::new(bytes).collect::<Result<Vec<_>, _>>(), expected, "{bytes:?}");
    }

    #[test]
    fn fields() {
        check(&[], Ok(vec![]));
        check(&[0x08, 0x96, 0x01], Ok(vec![(1, Value::Varint(150))]));
        check(&[0x12, 2, b'h', b'i'], Ok(vec![(2, Value::Bytes(b"hi"))]));
        check(&[0x19, 1, 0, 0, 0, 0, 0, 0, 0], Ok(vec![(3, Value::Fixed64(1))]));
        check(&[0x25, 2, 0, 0, 0], Ok(vec![(4, Value::Fixed32(2))]));
        for bad in [
            &[0x08][..],
            &[0x12, 3, b'h', b'i'],
            &[0x19, 1, 0],
            &[0x0b],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
        ] {
            check(bad, Err(Malformed));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = Fields::new(&bytes).count();
        }

        #[test]
        fn what_is_written_is_read(number in 1_u64.., bits: u64, text in ".{1,20}") {
            let mut writer = Writer::default();
            writer.varint(1, number);
            writer.double(2, f64::from_bits(bits));
            writer.text(300, &text);
            let expected = vec![
                (1, Value::Varint(number)),
                (2, Value::Fixed64(bits)),
                (300, Value::Bytes(text.as_bytes())),
            ];
            prop_assert_eq!(Fields::new(writer.as_bytes()).collect::<Result<Vec<_>, _>>(), Ok(expected));
        }
    }
}
