//! Gzip in independent members of one MiB, compressed side by side.
//!
//! Concatenated members are one valid gzip stream (RFC 1952, section 2.2), the result is the same whatever the
//! number of threads, and memory stays at a few MiB. libdeflate, because it is C: built without optimisation it
//! still manages 43 MB/s a thread (optimised: 93), where a pure Rust deflate in the dev profile manages 9.
//!
//! Each member says in an extra field of its header how long it is, as those of bgzip do. Others read over it; we can
//! tell the length of the whole without unpacking it, and unpack member by member with libdeflate.

use std::io::{self, BufRead, Cursor, Read, Write};
#[cfg(feature = "engine")]
use std::io::{Seek, SeekFrom};
use std::thread;

use flate2::bufread::MultiGzDecoder;
use libdeflater::{CompressionLvl, Compressor, Decompressor, crc32};

/// Bytes of input in a member.
const MEMBER: usize = 1 << 20;

/// A member's header up to its length: gzip, deflate, with an extra field, at no time, quick, of no system; 8 bytes of
/// extra fields, of which one is ours with 4 bytes. The member's length follows, as the field's value.
///
/// Source: RFC 1952, section 2.3.
const HEADER: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 4, 255, 8, 0, b'F', b'i', 4, 0];

/// Header and length.
const HEAD: usize = HEADER.len() + 4;

/// Checksum and length of the content, after it.
const TAIL: usize = 8;

/// A member is no longer than this: what cannot be compressed is stored.
const LONGEST: usize = MEMBER + MEMBER / 8;

/// Members compressed at a time, at most.
const THREADS: usize = 8;

/// Compresses what is written to it.
pub struct GzipWriter<W> {
    inner: W,
    pending: Vec<u8>,
    batch: usize,
}

impl<W: Write> GzipWriter<W> {
    /// Writes gzip to `inner`. [`GzipWriter::finish`] must be called at the end.
    pub fn new(inner: W) -> Self {
        let threads = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(THREADS);
        Self {
            inner,
            pending: Vec::new(),
            batch: threads * MEMBER,
        }
    }

    /// Writes what is pending and returns the inner writer.
    ///
    /// # Errors
    /// Those of the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        // An empty stream still is one member.
        self.compress_pending()?;
        Ok(self.inner)
    }

    fn compress_pending(&mut self) -> io::Result<()> {
        let chunks: Vec<&[u8]> = if self.pending.is_empty() {
            vec![&[]]
        } else {
            self.pending.chunks(MEMBER).collect()
        };
        let members = thread::scope(|scope| {
            let workers: Vec<_> = chunks
                .into_iter()
                .map(|chunk| scope.spawn(|| member(chunk)))
                .collect();
            workers
                .into_iter()
                .map(|worker| {
                    worker
                        .join()
                        .unwrap_or_else(|_| Err(io::Error::other("compression failed")))
                })
                .collect::<io::Result<Vec<_>>>()
        })?;
        for member in members {
            self.inner.write_all(&member)?;
        }
        self.pending.clear();
        Ok(())
    }
}

fn member(chunk: &[u8]) -> io::Result<Vec<u8>> {
    // `CompressionLvl::fastest()` is 0, which only stores.
    let mut compressor = Compressor::new(CompressionLvl::new(1).map_err(|_| io::Error::other("no level 1"))?);
    let mut out = vec![0; HEAD + compressor.deflate_compress_bound(chunk.len()) + TAIL];
    let length = compressor
        .deflate_compress(chunk, &mut out[HEAD..])
        .map_err(io::Error::other)?;
    out.truncate(HEAD + length);
    let number = |length: usize| u32::try_from(length).map_err(io::Error::other);
    out[..HEADER.len()].copy_from_slice(&HEADER);
    out[HEADER.len()..HEAD].copy_from_slice(&number(HEAD + length + TAIL)?.to_le_bytes());
    out.extend(crc32(chunk).to_le_bytes());
    out.extend(number(chunk.len())?.to_le_bytes());
    Ok(out)
}

/// The length of a member by its head, if it is one of ours.
fn length_of(head: &[u8]) -> Option<usize> {
    let length = head.strip_prefix(&HEADER)?.first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    (HEAD + TAIL < length && length <= LONGEST).then_some(length)
}

/// How many bytes a stream of our members has, unpacked, by what they say of themselves; `None` for another stream.
///
/// # Errors
/// It cannot be read.
#[cfg(feature = "engine")]
pub(crate) fn plain_length(mut stream: impl Read + Seek) -> io::Result<Option<u64>> {
    let end = stream.seek(SeekFrom::End(0))?;
    let (mut at, mut sum) = (0, 0);
    while at < end {
        let mut head = [0; HEAD];
        stream.seek(SeekFrom::Start(at))?;
        if end - at < HEAD as u64 {
            return Ok(None);
        }
        stream.read_exact(&mut head)?;
        let Some(length) = length_of(&head) else {
            return Ok(None);
        };
        at += length as u64;
        if at > end {
            return Ok(None);
        }
        let mut content = [0; 4];
        stream.seek(SeekFrom::Start(at - 4))?;
        stream.read_exact(&mut content)?;
        sum += u64::from(u32::from_le_bytes(content));
    }
    Ok(Some(sum))
}

/// Unpacks gzip, and our members quickly. What it gives is to be held against a digest: a member may hide bytes by lying
/// about its length, which others would see.
pub(crate) struct GzipReader<R> {
    source: Source<R>,
    member: Vec<u8>,
    content: Vec<u8>,
    given: usize,
}

enum Source<R> {
    Members(R),
    Another(Box<MultiGzDecoder<io::Chain<Cursor<Vec<u8>>, R>>>),
    /// It ended, or broke.
    Over,
}

impl<R: BufRead> GzipReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source: Source::Members(source),
            member: Vec::new(),
            content: Vec::new(),
            given: 0,
        }
    }

    /// Unpacks the next member. Where it is none of ours, it and the rest are another's.
    fn next(&mut self, mut source: R) -> io::Result<Source<R>> {
        self.member.clear();
        source.by_ref().take(HEAD as u64).read_to_end(&mut self.member)?;
        let Some(length) = length_of(&self.member) else {
            let head = Cursor::new(std::mem::take(&mut self.member));
            return Ok(Source::Another(Box::new(MultiGzDecoder::new(head.chain(source)))));
        };
        self.member.resize(length, 0);
        source.read_exact(&mut self.member[HEAD..])?;
        let broken = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a member of the gzip stream is damaged",
            )
        };
        let said = self.member.last_chunk().copied().map_or(0, u32::from_le_bytes);
        let said = usize::try_from(said).map_err(io::Error::other)?;
        if said > MEMBER {
            return Err(broken());
        }
        self.content.resize(said, 0);
        self.given = 0;
        match Decompressor::new().gzip_decompress(&self.member, &mut self.content) {
            Ok(length) if length == said => Ok(Source::Members(source)),
            _ => Err(broken()),
        }
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = &self.content[self.given..];
            if !left.is_empty() {
                let taken = left.len().min(buffer.len());
                buffer[..taken].copy_from_slice(&left[..taken]);
                self.given += taken;
                return Ok(taken);
            }
            match std::mem::replace(&mut self.source, Source::Over) {
                Source::Members(mut source) => {
                    let at_end = !self.member.is_empty() && source.fill_buf()?.is_empty();
                    if at_end {
                        return Ok(0);
                    }
                    // A member may be empty.
                    self.source = self.next(source)?;
                }
                Source::Another(mut decoder) => {
                    let read = decoder.read(buffer)?;
                    self.source = Source::Another(decoder);
                    return Ok(read);
                }
                Source::Over => return Ok(0),
            }
        }
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.pending.len() >= self.batch {
            self.compress_pending()?;
        }
        let taken = bytes.len().min(self.batch - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn text_becomes_smaller() {
        let mut writer = GzipWriter::new(Vec::new());
        writer
            .write_all(&b"the same words again and again ".repeat(1000))
            .unwrap();
        assert!(writer.finish().unwrap().len() < 1000);
    }

    #[test]
    fn many_members_are_one_stream_whatever_the_writes() {
        let data: Vec<u8> = (0..5 * MEMBER as u32 + 7)
            .map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let compress = |step: usize| {
            let mut writer = GzipWriter::new(Vec::new());
            data.chunks(step)
                .for_each(|chunk| writer.write_all(chunk).unwrap());
            writer.finish().unwrap()
        };
        let whole = compress(data.len());
        assert_eq!(whole, compress(4097));
        let mut back = Vec::new();
        flate2::read::MultiGzDecoder::new(&whole[..])
            .read_to_end(&mut back)
            .unwrap();
        assert!(back == data);
    }

    fn packed(data: &[u8]) -> Vec<u8> {
        let mut writer = GzipWriter::new(Vec::new());
        writer.write_all(data).unwrap();
        writer.finish().unwrap()
    }

    fn unpacked(stream: &[u8]) -> io::Result<Vec<u8>> {
        let mut back = Vec::new();
        // By small pieces, which cut heads apart.
        GzipReader::new(io::BufReader::with_capacity(7, stream))
            .read_to_end(&mut back)
            .map(|_| back)
    }

    #[test]
    fn nothing_is_a_stream_too() {
        let empty = packed(b"");
        let mut back = Vec::new();
        MultiGzDecoder::new(&empty[..]).read_to_end(&mut back).unwrap();
        assert!(back.is_empty() && !empty.is_empty());
        assert_eq!(unpacked(&empty).unwrap(), b"");
        assert!(unpacked(b"").is_err(), "no stream at all");
    }

    #[test]
    fn our_members_and_those_of_others_are_unpacked() {
        let data: Vec<u8> = (0..2 * MEMBER + 5).map(|it| (it / 999) as u8).collect();
        let ours = packed(&data);
        let mut others = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        others.write_all(b"of another").unwrap();
        let others = others.finish().unwrap();
        assert!(unpacked(&ours).unwrap() == data);
        assert_eq!(unpacked(&others).unwrap(), b"of another");
        let both = [&ours[..], &others[..]].concat();
        assert!(unpacked(&both).unwrap() == [&data[..], b"of another"].concat());
        assert_eq!(plain_length(Cursor::new(&ours)).unwrap(), Some(data.len() as u64));
        for other in [&others[..], &both, &ours[..ours.len() - 1], b""] {
            let length = plain_length(Cursor::new(other)).unwrap();
            assert_eq!(length, other.is_empty().then_some(0));
        }
    }

    #[test]
    fn what_is_damaged_gives_no_other_bytes() {
        let words = b"words and words ".repeat(1000);
        let ours = packed(&words);
        assert!(unpacked(&ours[..ours.len() - 1]).is_err());
        for at in 0..ours.len() {
            let mut damaged = ours.clone();
            damaged[at] ^= 0x40;
            // Without its length a member is one of another's, and what pads its end means nothing.
            let back = unpacked(&damaged);
            assert!(back.is_err() || back.is_ok_and(|back| back == words), "{at}");
        }
    }
}
