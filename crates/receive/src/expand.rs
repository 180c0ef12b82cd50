//! Bodies that were compressed on their way, expanded up to a limit.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// What a body may expand to.
pub const EXPANDED_BYTES_MAX: usize = 64 << 20;

/// The largest window of zstd over HTTP (RFC 9659) is 8 MiB.
const ZSTD_WINDOW_BITS_MAX: u32 = 23;

/// Why a body cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    #[error("Content-Encoding {0:?} is not taken, only gzip, deflate, snappy and zstd")]
    Unknown(String),
    #[error("the body is not what its Content-Encoding says")]
    Damaged,
    #[error("the body expands to more than {EXPANDED_BYTES_MAX} bytes")]
    TooLarge,
}

/// Expands a body by its `Content-Encoding`; an empty one means none. Snappy is that of one block.
pub fn expand<'a>(coding: &str, body: &'a [u8]) -> Result<Cow<'a, [u8]>, ExpandError> {
    let expanded = match coding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(body))?,
        "deflate" => read(ZlibDecoder::new(body))?,
        "snappy" => {
            let length = snap::raw::decompress_len(body).map_err(|_| ExpandError::Damaged)?;
            if length > EXPANDED_BYTES_MAX {
                return Err(ExpandError::TooLarge);
            }
            let expanded = snap::raw::Decoder::new().decompress_vec(body);
            expanded.map_err(|_| ExpandError::Damaged)?
        }
        "zstd" => {
            let opened = zstd::stream::read::Decoder::with_buffer(body).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_BITS_MAX)?;
                Ok(decoder)
            });
            read(opened.map_err(|_| ExpandError::Damaged)?)?
        }
        other => return Err(ExpandError::Unknown(other.chars().take(40).collect())),
    };
    Ok(Cow::Owned(expanded))
}

fn read(from: impl Read) -> Result<Vec<u8>, ExpandError> {
    let mut expanded = Vec::new();
    let most = EXPANDED_BYTES_MAX as u64 + 1;
    let read: io::Result<_> = from.take(most).read_to_end(&mut expanded);
    read.map_err(|_| ExpandError::Damaged)?;
    if expanded.len() > EXPANDED_BYTES_MAX { Err(ExpandError::TooLarge) } else { Ok(expanded) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write};
    use proptest::prelude::*;

    use super::*;

    fn compress(coding: &str, bytes: &[u8]) -> Vec<u8> {
        match coding {
            "gzip" => {
                let mut encoder = write::GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            "snappy" => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
            _ => zstd::stream::encode_all(bytes, 1).unwrap(),
        }
    }

    #[test]
    fn codings() {
        for coding in ["gzip", "deflate", "snappy", "zstd"] {
            let body = compress(coding, b"a line");
            assert_eq!(expand(coding, &body).unwrap(), b"a line".as_slice(), "{coding}");
            assert_eq!(expand(coding, b"a line"), Err(ExpandError::Damaged), "{coding}");
            let bomb = compress(coding, &vec![b'x'; EXPANDED_BYTES_MAX + 1]);
            assert_eq!(expand(coding, &bomb), Err(ExpandError::TooLarge), "{coding}");
        }
        assert_eq!(expand(" Identity", b"x").unwrap(), b"x".as_slice());
        assert_eq!(expand("br", b"x"), Err(ExpandError::Unknown("br".into())));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            for coding in ["gzip", "deflate", "snappy", "zstd"] {
                drop(expand(coding, &bytes));
                let mut damaged = compress(coding, &bytes);
                damaged.truncate(damaged.len() / 2);
                drop(expand(coding, &damaged));
            }
        }
    }
}
