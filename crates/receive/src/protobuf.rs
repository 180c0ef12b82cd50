//! The wire format of protocol buffers, read in place: fields, not messages.

use crate::DecodeError;

/// The content of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Fixed64(u64),
    /// A text or a message.
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Yields the fields of a message in the order in which they were written; ends after what is malformed.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.take(index + 1)?;
                return Some(number);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or_else(|| DecodeError::Malformed("malformed protocol buffer".into())))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A field with bytes, for messages that tests write.
    pub(crate) fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        assert!(length < 128, "tests write short messages");
        [&[(number << 3) | 2, length], bytes].concat()
    }

    #[test]
    fn fields() {
        let check = |bytes: &[u8], expected: &[(u64, Value<'_>)]| {
            let read: Result<Vec<_>, _> = Fields::new(bytes).collect();
            assert_eq!(read.unwrap(), expected);
        };
        check(&[], &[]);
        check(&[0x08, 0x96, 0x01], &[(1, Value::Number(150))]);
        check(&field(2, b"hi"), &[(2, Value::Bytes(b"hi"))]);
        check(&[0x19, 1, 0, 0, 0, 0, 0, 0, 0], &[(3, Value::Fixed64(1))]);
        check(&[0x25, 2, 0, 0, 0], &[(4, Value::Fixed32(2))]);
        for bad in [&[0x08][..], &[0x12, 3, b'h', b'i'], &[0x19, 1, 0], &[0x0b], &[0xff; 11]] {
            assert!(Fields::new(bad).any(|field| field.is_err()), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = Fields::new(&bytes).count();
        }
    }
}
