//! Output of a process, kept within bounds.

/// Output kept within bounds: its first bytes and its last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    half: usize,
    seen: u64,
}

impl Captured {
    /// Nothing yet, of which `limit` bytes will be kept.
    pub fn new(limit: usize) -> Self {
        Self {
            half: limit / 2,
            ..Self::default()
        }
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        let room = self.half - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    /// Whether bytes were left out in the middle.
    pub fn truncated(&self) -> bool {
        self.seen > (self.head.len() + self.tail.len()) as u64
    }

    /// The number of bytes there were.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The bytes kept, without a mark where some were left out.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.extend(&self.tail);
        bytes
    }

    /// The output as text, with a line that says how much was left out.
    pub fn text(&self) -> String {
        let bytes = self.bytes();
        if !self.truncated() {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let (head, tail) = bytes.split_at(self.head.len());
        let missing = self.seen - bytes.len() as u64;
        format!(
            "{}\n… {missing} bytes left out …\n{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(tail)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_first_and_last_bytes_in_any_chunking() {
        let all: Vec<u8> = (0..1000u32).map(|n| b'a' + (n % 26) as u8).collect();
        for chunk in [1, 7, 64, 999, 1000] {
            let mut captured = Captured::new(100);
            all.chunks(chunk).for_each(|bytes| captured.push(bytes));
            assert_eq!(
                captured.bytes(),
                [&all[..50], &all[950..]].concat(),
                "chunks of {chunk}"
            );
            assert!(captured.truncated() && captured.seen() == 1000);
            assert!(captured.text().contains("900 bytes left out"));
        }
    }

    #[test]
    fn short_output_is_whole() {
        let mut captured = Captured::new(100);
        captured.push(&[b'x'; 60]);
        captured.push(&[b'y'; 40]);
        assert!(!captured.truncated());
        assert_eq!(captured.text().len(), 100);
    }
}
