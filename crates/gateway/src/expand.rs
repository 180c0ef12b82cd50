//! Expands compressed answers for the observer: gzip, deflate, brotli, zstd. The client gets them as they came.
//!
//! An answer in any other encoding, or in several, is not read; nor is what is damaged or expands to too much.
//! Brotli and zstd need their window in memory, up to 16 and 8 MiB, so only so many are read at a time.

use std::{
    io::{self, Write},
    mem,
    sync::atomic::{AtomicUsize, Ordering},
};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use zstd::stream::write::Decoder as ZstdDecoder;

/// Decompressed bytes of one answer that are looked at; the rest goes by unseen.
const EXPANDED_BYTES_MAX: usize = 256 << 20;
/// Compressed bytes that are expanded at a time, which bounds what they can expand to.
const PIECE_BYTES: usize = 4 << 10;
/// Answers in brotli and zstd that are read at the same time; further ones go by unseen.
const WINDOWS_MAX: usize = 32;
/// The largest window of zstd over HTTP (RFC 9659) is 8 MiB.
const ZSTD_WINDOW_BITS_MAX: u32 = 23;
const BROTLI_BUFFER_BYTES: usize = 4 << 10;

static WINDOWS: AtomicUsize = AtomicUsize::new(0);

/// One of those that may have a window; gives its place back.
struct Window;

impl Window {
    fn take() -> Option<Self> {
        let taken = WINDOWS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < WINDOWS_MAX).then_some(count + 1)
        });
        taken.ok().map(|_| Self)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        WINDOWS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of one answer.
pub(crate) struct Decoder {
    kind: Kind,
    bytes_left: usize,
}

enum Kind {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    Brotli(Box<DecompressorWriter<Vec<u8>>>, Window),
    Zstd(Box<ZstdDecoder<'static, Vec<u8>>>, Window),
    /// Compressed in a way that is not read here, or damaged.
    Unreadable,
}

impl Decoder {
    /// `None`: it is not compressed.
    pub(crate) fn of(content_encoding: Option<&str>) -> Option<Self> {
        let encoding = content_encoding?.trim().to_ascii_lowercase();
        let kind = match encoding.as_str() {
            "" | "identity" => return None,
            "gzip" | "x-gzip" => Some(Kind::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            "deflate" => Some(Kind::Zlib(Box::new(ZlibDecoder::new(Vec::new())))),
            "br" => Window::take().map(|window| {
                let decoder = DecompressorWriter::new(Vec::new(), BROTLI_BUFFER_BYTES);
                Kind::Brotli(Box::new(decoder), window)
            }),
            "zstd" => Window::take().and_then(|window| {
                let mut decoder = ZstdDecoder::new(Vec::new()).ok()?;
                decoder.window_log_max(ZSTD_WINDOW_BITS_MAX).ok()?;
                Some(Kind::Zstd(Box::new(decoder), window))
            }),
            _ => None,
        };
        Some(Self { kind: kind.unwrap_or(Kind::Unreadable), bytes_left: EXPANDED_BYTES_MAX })
    }

    /// Whether all of it could be expanded.
    pub(crate) fn expand(&mut self, bytes: &[u8], mut see: impl FnMut(&[u8])) -> bool {
        for piece in bytes.chunks(PIECE_BYTES) {
            let (written, out) = match &mut self.kind {
                Kind::Unreadable => return false,
                Kind::Gzip(decoder) => (push(decoder, piece), mem::take(decoder.get_mut())),
                Kind::Zlib(decoder) => (push(decoder, piece), mem::take(decoder.get_mut())),
                Kind::Brotli(decoder, _) => (push(decoder, piece), mem::take(decoder.get_mut())),
                Kind::Zstd(decoder, _) => (push(decoder, piece), mem::take(decoder.get_mut())),
            };
            see(&out);
            self.bytes_left = self.bytes_left.saturating_sub(out.len());
            if written.is_err() || self.bytes_left == 0 {
                self.kind = Kind::Unreadable;
                return false;
            }
        }
        true
    }
}

fn push(decoder: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    decoder.write_all(piece).and_then(|()| decoder.flush())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    /// One test at a time counts windows.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn turn() -> std::sync::MutexGuard<'static, ()> {
        TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn brotli() -> Vec<u8> {
        let text = include_str!("../tests/gateway/fixtures/chat-stream.br.hex");
        let digits: String = text.split_whitespace().collect();
        let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap() as u8;
        digits.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
    }

    fn expanded(encoding: &str, packed: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut seen = Vec::new();
        let mut decoder = Decoder::of(Some(encoding)).unwrap();
        let mut pieces = packed.chunks(size);
        let is_whole =
            pieces.all(|piece| decoder.expand(piece, |bytes| seen.extend_from_slice(bytes)));
        is_whole.then_some(seen)
    }

    #[test]
    fn compressed_answers_are_expanded_piece_by_piece() {
        let _turn = turn();
        let text = b"data: x\n\n".repeat(10_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(text.as_slice(), 3).unwrap();
        for size in [1, 7, 5_000, usize::MAX] {
            assert_eq!(expanded("gzip", &gzip, size).as_ref(), Some(&text), "{size}");
            assert_eq!(expanded("Zstd", &zstd, size).as_ref(), Some(&text), "{size}");
            let found = expanded("br", &brotli(), size).unwrap();
            assert!(found.starts_with(b"data: {") && found.ends_with(b"data: [DONE]\n\n"));
            for encoding in ["gzip", "deflate", "br", "zstd", "gzip, br", "compress"] {
                assert_eq!(expanded(encoding, b"nothing of that sort", size), None, "{encoding}");
            }
        }
        assert!(Decoder::of(Some("identity")).is_none() && Decoder::of(None).is_none());
    }

    #[test]
    fn windows_are_bounded_in_size_and_number() {
        let _turn = turn();
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(ZSTD_WINDOW_BITS_MAX + 1).unwrap();
        encoder.write_all(b"x").unwrap();
        encoder.flush().unwrap();
        assert_eq!(expanded("zstd", encoder.get_ref(), usize::MAX), None, "too large a window");
        let is_read = |decoder: &Option<Decoder>| {
            decoder.as_ref().is_some_and(|decoder| !matches!(decoder.kind, Kind::Unreadable))
        };
        let all: Vec<_> = (0..WINDOWS_MAX + 1).map(|_| Decoder::of(Some("br"))).collect();
        assert_eq!(all.iter().filter(|decoder| is_read(decoder)).count(), WINDOWS_MAX);
        drop(all);
        assert!(is_read(&Decoder::of(Some("zstd"))), "they are given back");
    }

    #[test]
    fn what_expands_without_end_is_left() {
        let _turn = turn();
        let bomb = zstd::encode_all(io::repeat(0).take(300 << 20), 3).unwrap();
        let mut decoder = Decoder::of(Some("zstd")).unwrap();
        let mut seen = 0;
        assert!(!decoder.expand(&bomb, |bytes| seen += bytes.len()));
        assert!(seen >= EXPANDED_BYTES_MAX && !decoder.expand(b"x", |_| seen = 0) && seen > 0);
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600), from in 0_usize..64) {
            let _turn = turn();
            let mut damaged = brotli();
            damaged.splice(from.min(damaged.len()).., bytes.clone());
            for packed in [&bytes, &damaged] {
                for encoding in ["br", "zstd", "gzip", "deflate"] {
                    let _any = expanded(encoding, packed, 7);
                }
            }
        }
    }
}
