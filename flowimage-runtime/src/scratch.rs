//! What an empty image needs so that a program can live in it: its loader and libraries, certificates, an account
//! with a home, `/tmp`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::elf::{Elf, ElfError, Missing, Root, closure};
use crate::layer::{LayerBuilder, LayerError};

/// The number of the user that flows run as by default, and of its group.
pub const DEFAULT_UID: u32 = 65532;

const PASSWD: &str =
    "root:x:0:0:root:/root:/sbin/nologin\nflow:x:65532:65532:flow:/home/flow:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nflow:x:65532:\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why the root of an empty image could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScratchError {
    /// The program or one of its libraries cannot be read.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// A library that this machine does not have either.
    #[error("{} needs {}, which this machine does not have", .0.needed_by, .0.library)]
    Missing(Missing),
    /// There is nothing to bundle.
    #[error("the flow binary is static, so it has no libraries to bundle")]
    Static,
    /// A library cannot be copied.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

impl crate::Advise for ScratchError {
    fn advice(&self) -> Option<String> {
        match self {
            ScratchError::Elf(error) => error.advice(),
            ScratchError::Layer(error) => error.advice(),
            ScratchError::Static => Some("remove `libraries = \"bundled\"`".into()),
            ScratchError::Missing(missing) => Some(match crate::elf::package_of(&missing.library) {
                Some(package) => format!("install the package `{package}` on this machine"),
                None => "install the package that has it on this machine".to_owned(),
            }),
        }
    }
}

/// The loader and the libraries of the flow binary, for a folder of their own: the loader under one name, the libraries
/// under theirs. Nothing else in the image uses them.
///
/// # Errors
/// The program is static; it or a library cannot be read, or a library is missing here.
pub fn bundled(program: &Path, elf: &Elf) -> Result<BTreeMap<String, PathBuf>, ScratchError> {
    let interpreter = elf.interpreter.as_deref().ok_or(ScratchError::Static)?;
    let here = Root::new("/");
    let found = closure(elf, &program.to_string_lossy(), &here);
    if let Some(missing) = found.missing.into_iter().next() {
        return Err(ScratchError::Missing(missing));
    }
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let mut bundle = BTreeMap::new();
    for (name, library) in found.libraries {
        let Some(file) = here.locate(&library) else {
            continue;
        };
        if last(&library) == last(interpreter) {
            bundle.insert("loader".to_owned(), file.clone());
        }
        bundle.insert(last(&name), file);
    }
    Ok(bundle)
}

/// The root of an image that holds these programs and nothing else: the flow binary, and those it ships. The program
/// itself is a layer of its own, so that a changed one re-sends nothing else.
///
/// # Errors
/// The program or a library cannot be read, or a library is missing here.
pub fn root(program: &Path, elf: &Elf, shipped: &[PathBuf]) -> Result<LayerBuilder, ScratchError> {
    let here = Root::new("/");
    let mut libraries = BTreeMap::new();
    let shipped = shipped
        .iter()
        .filter_map(|path| Some((path.as_path(), Elf::read(path).ok()?)));
    for (program, elf) in std::iter::once((program, elf.clone())).chain(shipped) {
        let found = closure(&elf, &program.to_string_lossy(), &here);
        if let Some(missing) = found.missing.into_iter().next() {
            return Err(ScratchError::Missing(missing));
        }
        libraries.extend(found.libraries);
    }

    let mut root = LayerBuilder::new();
    for library in libraries.values() {
        if let Some(file) = here.locate(library) {
            root.host(library, &file)?;
        }
    }
    root.bytes("/etc/passwd", PASSWD, 0o644);
    root.bytes("/etc/group", GROUP, 0o644);
    if libraries.contains_key("libc.so.6") {
        root.bytes("/etc/nsswitch.conf", NSSWITCH, 0o644);
    }
    if Path::new(CERTIFICATES).is_file() {
        root.host(CERTIFICATES, Path::new(CERTIFICATES))?;
    }
    root.folder("/home/flow", 0o755, DEFAULT_UID);
    root.folder("/tmp", 0o1777, 0);
    Ok(root)
}
