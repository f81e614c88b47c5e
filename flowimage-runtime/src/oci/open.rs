//! The plain tar of a layer at hand, whatever it is compressed with.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Layer, Source, media_type};
use crate::gzip::GzipReader;
#[cfg(feature = "engine")]
use crate::gzip::plain_length;

impl Layer {
    /// The layer's uncompressed tar archive. Whether it is the one its digest says is for the reader to find out.
    ///
    /// # Errors
    /// The layer is not a file here, or is compressed in a way that is not known.
    pub fn open(&self) -> io::Result<Box<dyn Read>> {
        self.opened(|file| Box::new(flate2::bufread::MultiGzDecoder::new(file)))
    }

    /// The same, quickly where we made the layer, for a reader that holds all of it against the digest: a layer may be
    /// such that another sees more in it.
    pub(crate) fn open_to_verify(&self) -> io::Result<Box<dyn Read>> {
        self.opened(|file| Box::new(GzipReader::new(file)))
    }

    /// Bytes of the uncompressed tar archive, where a layer that we made says so itself.
    ///
    /// # Errors
    /// The layer cannot be read.
    #[cfg(feature = "engine")]
    pub(crate) fn plain_length(&self) -> io::Result<Option<u64>> {
        match (&self.source, self.blob.media_type.as_str()) {
            (Source::File(path), media_type::LAYER_GZIP) => plain_length(BufReader::new(File::open(path)?)),
            _ => Ok(None),
        }
    }

    fn opened(&self, gzip: impl FnOnce(BufReader<File>) -> Box<dyn Read>) -> io::Result<Box<dyn Read>> {
        let Source::File(path) = &self.source else {
            return Err(io::Error::other("a layer of the image is only in a registry"));
        };
        let file = BufReader::with_capacity(256 << 10, File::open(path)?);
        match self.blob.media_type.as_str() {
            media_type::LAYER_TAR => Ok(Box::new(file)),
            media_type::LAYER_GZIP | media_type::DOCKER_LAYER_GZIP => Ok(gzip(file)),
            media_type::LAYER_ZSTD => Ok(Box::new(Zstd::new(file))),
            other => Err(io::Error::other(format!("layers of type {other} are not read"))),
        }
    }
}

/// Frames of zstd, one after the other; frames with data for others are skipped. Its window bounds the memory.
///
/// Source: RFC 8878, section 3.
pub(crate) struct Zstd<R> {
    source: R,
    frame: FrameDecoder,
    /// Whether the frame has begun and has not ended.
    inside: bool,
}

impl<R: BufRead> Zstd<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            frame: FrameDecoder::new(),
            inside: false,
        }
    }

    /// Begins a frame, or skips one.
    fn begin(&mut self) -> io::Result<()> {
        match self.frame.init(&mut self.source) {
            Ok(()) => self.inside = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                io::copy(&mut self.source.by_ref().take(u64::from(length)), &mut io::sink())?;
            }
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.inside && self.frame.can_collect() > 0 {
                return self.frame.read(buffer);
            } else if self.inside && self.frame.is_finished() {
                self.inside = false;
            } else if self.inside {
                let step = BlockDecodingStrategy::UptoBlocks(1);
                self.frame
                    .decode_blocks(&mut self.source, step)
                    .map_err(io::Error::other)?;
            } else if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.begin()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Zstd::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn all_frames_are_read_and_a_damaged_one_is_an_error() {
        let text: Vec<u8> = (0..400_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let (first, second) = text.split_at(1_000_000);
        let frame = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
        let skipped = [&0x184D_2A50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
        let whole = [frame(first), skipped, frame(second), frame(b"")].concat();
        assert!(read(&whole).unwrap() == text);
        assert_eq!(read(b"").unwrap(), b"");
        assert!(read(&whole[..whole.len() / 2]).is_err());
        assert!(read(b"no zstd at all").is_err());
    }
}
