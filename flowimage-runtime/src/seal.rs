//! What was checked is what is pushed: layer files are known again by what the file system says of them, and read
//! again where it says something else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Stage};
use crate::oci::{Digest, Image, Source, sha256_of_file};

/// The layer files of an image as they were when its checks began.
pub(crate) struct Seals(Vec<Seal>);

struct Seal {
    path: PathBuf,
    digest: Digest,
    mark: Option<Mark>,
}

/// Of a file's change time nobody but the system decides: it tells a swapped file even where length and modification
/// time are as before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: (u64, u64),
    length: u64,
    changed: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> Option<Self> {
        let seen = fs::metadata(path).ok()?;
        Some(Self {
            inode: (seen.dev(), seen.ino()),
            length: seen.len(),
            changed: (seen.ctime(), seen.ctime_nsec()),
        })
    }
}

impl Seals {
    /// Seals the layers that are files.
    pub(crate) fn of(image: &Image) -> Self {
        let seal = |path: &PathBuf, digest: &Digest| Seal {
            path: path.clone(),
            digest: digest.clone(),
            mark: Mark::of(path),
        };
        let files = image.layers.iter().filter_map(|layer| match &layer.source {
            Source::File(path) => Some(seal(path, &layer.blob.digest)),
            Source::Repository(_) => None,
        });
        Self(files.collect())
    }

    /// Whether all layers are what they were.
    ///
    /// # Errors
    /// One is gone, or another file's bytes are in its place.
    pub(crate) fn are_whole(&self) -> Result<(), Failure> {
        for seal in &self.0 {
            let now = Mark::of(&seal.path);
            if now.is_some() && now == seal.mark {
                continue;
            }
            let said = match sha256_of_file(&seal.path) {
                Ok(found) if found == seal.digest => continue,
                Ok(found) => format!("its digest is {found} now"),
                Err(error) => error.to_string(),
            };
            return Err(Failure::text(
                Stage::Publish,
                format!(
                    "the layer {} was changed after the image was checked: {said}",
                    seal.path.display()
                ),
                "nothing was pushed or registered; delete the file and run the command again: it is made anew",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::sha256;

    fn seals(path: &Path, bytes: &[u8]) -> Seals {
        fs::write(path, bytes).unwrap();
        Seals(vec![Seal {
            path: path.to_owned(),
            digest: sha256(bytes),
            mark: Mark::of(path),
        }])
    }

    #[test]
    fn a_swapped_file_is_refused_and_one_that_was_only_touched_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layer");
        let seals = seals(&path, b"checked");
        seals.are_whole().unwrap();
        fs::write(&path, b"checked").unwrap();
        seals.are_whole().unwrap();
        fs::write(&path, b"swapped").unwrap();
        let failure = seals.are_whole().unwrap_err();
        assert!(
            failure
                .message
                .contains("was changed after the image was checked"),
            "{failure:?}"
        );
        fs::remove_file(&path).unwrap();
        assert!(seals.are_whole().is_err());
    }
}
