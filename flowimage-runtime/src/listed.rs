//! Layers before they are made: their entries, and what each of them holds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::failure::Failure;
use crate::file_index::FileIndex;
use crate::layer::{LayerBuilder, LayerError};
use crate::oci::{Digest, Hasher};

/// Bytes that are hashed at a time.
const PIECE: usize = 32 << 10;

/// The entries of a layer, with a digest of each, and of all.
#[derive(Clone, Debug)]
pub struct Listed {
    content: LayerBuilder,
    digests: Vec<Digest>,
    identity: Digest,
}

impl Listed {
    /// Looks at all that a layer is to hold.
    ///
    /// # Errors
    /// A file cannot be read, or changed meanwhile.
    pub fn of(content: LayerBuilder, files: &FileIndex) -> Result<Self, LayerError> {
        let digests = content.digests_when_walked(files)?;
        let mut hasher = Hasher::new();
        let mut text = String::with_capacity(PIECE + 4096);
        for ((path, _), digest) in content.entries().zip(&digests) {
            // Nothing can go wrong: it is written to memory.
            let _ = write!(text, "{} ", path.len());
            for part in [path, "\n", digest.as_str(), "\n"] {
                text.push_str(part);
            }
            if text.len() >= PIECE {
                hasher.update(text.as_bytes());
                text.clear();
            }
        }
        hasher.update(text.as_bytes());
        let identity = hasher.finish().0;
        Ok(Self {
            content,
            digests,
            identity,
        })
    }

    /// The hash of all that the layer holds.
    pub fn identity(&self) -> &Digest {
        &self.identity
    }

    /// The entries.
    pub fn content(&self) -> &LayerBuilder {
        &self.content
    }

    /// The digest of each entry, by path: of what it is, its content, mode and owner.
    pub fn digests(&self) -> impl Iterator<Item = (&str, &Digest)> {
        let paths = self.content.entries().map(|(path, _)| path);
        paths.zip(&self.digests)
    }

    /// Whether all of it is still as it was looked at.
    ///
    /// # Errors
    /// A file cannot be read, or changed meanwhile.
    pub fn is_current(&self, files: &FileIndex) -> Result<bool, LayerError> {
        Ok(self.content.digests(files)? == self.digests)
    }
}

/// Layers that several flows of one command have in common: each is put together and looked at once.
#[derive(Debug, Default)]
pub struct Lists(Mutex<BTreeMap<String, List>>);

type List = Arc<OnceLock<Result<Arc<Listed>, Failure>>>;

impl Lists {
    /// The layer of a key: an earlier one, or that of `make`. Who asks for one that is being made waits for it.
    ///
    /// # Errors
    /// Those of `make`: everybody's.
    pub fn once(
        &self,
        key: String,
        make: impl FnOnce() -> Result<Listed, Failure>,
    ) -> Result<Arc<Listed>, Failure> {
        let list = {
            let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lists.entry(key).or_default().clone()
        };
        list.get_or_init(|| make().map(Arc::new)).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn what_flows_have_in_common_is_listed_once_even_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let files = FileIndex::new(folder.path().join("index"));
        let (lists, made) = (Lists::default(), AtomicU32::new(0));
        let list = |text: &'static str| {
            lists.once(text.to_owned(), || {
                made.fetch_add(1, Ordering::Relaxed);
                let mut content = LayerBuilder::new();
                content.bytes("/x", text, 0o644);
                Ok(Listed::of(content, &files).unwrap())
            })
        };
        let first = list("a").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(Arc::ptr_eq(&list("b").unwrap(), &list("b").unwrap())));
            }
        });
        assert!(Arc::ptr_eq(&first, &list("a").unwrap()));
        assert_eq!(made.load(Ordering::Relaxed), 2);
        let digests = |listed: &Listed| listed.digests().next().map(|(_, digest)| digest.clone());
        assert_ne!(digests(&first), digests(&list("b").unwrap()));
    }
}
