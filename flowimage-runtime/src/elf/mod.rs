//! What a Linux program says of itself: its machine, its loader, the libraries and symbol versions it needs.

mod closure;
mod packages;
mod strip;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable};
use object::read::{ReadCache, ReadRef};

pub use closure::{Closure, Missing, Root, RootFiles, closure, find_library};
pub use packages::{Distribution, package_in, package_of};
pub use strip::{has_debug_sections, strip};

use serde::{Deserialize, Serialize};

use crate::advice::Advise;
use crate::oci::{Digest, Hasher};

/// What one ELF file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elf {
    /// The architecture in OCI's words: `amd64`, `arm64`, …
    pub architecture: String,
    /// The program's loader; `None` for libraries and static programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// Names of the libraries needed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// Folders to search, `DT_RUNPATH` or else `DT_RPATH`, `$ORIGIN` not yet replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Whether they are of `DT_RPATH`, which also serves what the file's libraries need.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// Symbol versions needed, by library: `libc.so.6` → `GLIBC_2.34`, ….
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, Vec<String>>,
    /// Symbol versions that this file provides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<String>,
    /// Whether it can be started, rather than only be loaded into a program.
    pub executable: bool,
}

/// Why a program could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// The file.
    #[error("cannot read {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No ELF file of 64 bits.
    #[error("{} is no 64-bit Linux program: {reason}", path.display())]
    Format {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Advise for ElfError {
    fn advice(&self) -> Option<String> {
        match self {
            ElfError::File { .. } => None,
            ElfError::Format { .. } => Some(
                "images need a Linux program: build for a Linux target, and name the program with `--binary PATH`".into(),
            ),
        }
    }
}

impl Elf {
    /// Reads the parts of a file that are needed; the rest stays on disk.
    ///
    /// # Errors
    /// The file cannot be read, or is no 64-bit ELF file.
    pub fn read(path: &Path) -> Result<Self, ElfError> {
        let file = File::open(path).map_err(|source| ElfError::File {
            path: path.to_owned(),
            source,
        })?;
        let cache = ReadCache::new(file);
        Self::parse(&cache).map_err(|reason| ElfError::Format {
            path: path.to_owned(),
            reason: reason.to_string(),
        })
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse<'data, R: ReadRef<'data>>(data: R) -> object::read::Result<Self> {
        parse(data)
    }

    /// Whether the program was linked against musl.
    pub fn is_musl(&self) -> bool {
        self.interpreter
            .as_deref()
            .is_some_and(|it| it.contains("ld-musl"))
    }

    /// The newest `GLIBC_x.y` needed, if any.
    pub fn newest_glibc(&self) -> Option<&str> {
        self.versions
            .values()
            .flatten()
            .filter(|version| version.starts_with("GLIBC_2"))
            .max_by_key(|version| version_numbers(version))
            .map(String::as_str)
    }
}

/// The numbers of a version such as `GLIBC_2.34`, for comparison.
pub fn version_numbers(version: &str) -> Vec<u32> {
    version
        .rsplit('_')
        .next()
        .unwrap_or_default()
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect()
}

/// `DF_1_PIE`: a static program at no fixed address has neither loader nor type of its own.
const PIE: u64 = 0x0800_0000;

/// The digest of a program's code and constants: the same before and after its debug sections are left out.
/// `None` where it has none, or is no 64-bit ELF file.
pub fn code_digest<'data, R: ReadRef<'data>>(data: R) -> Option<Digest> {
    let (_, endian, sections) = heads(data).ok()?;
    let mut hasher = Hasher::new();
    let mut found = false;
    for (_, section) in sections.enumerate() {
        let name = sections.section_name(endian, section).ok()?;
        if [&b".text"[..], b".rodata"].contains(&name) {
            found = true;
            hasher.update(section.data(endian, data).ok()?);
        }
    }
    found.then(|| hasher.finish().0)
}

/// The heads of a file and of its sections. The tables of symbols, which are the larger part of a program that is built
/// without optimisation, stay where they are.
fn heads<'data, R: ReadRef<'data>>(data: R) -> object::read::Result<Heads<'data, R>> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    Ok((header, endian, header.sections(endian, data)?))
}

type Heads<'data, R> = (
    &'data FileHeader64<Endianness>,
    Endianness,
    SectionTable<'data, FileHeader64<Endianness>, R>,
);

fn parse<'data, R: ReadRef<'data>>(data: R) -> object::read::Result<Elf> {
    let (header, endian, sections) = heads(data)?;
    let mut interpreter = None;
    for segment in header.program_headers(endian, data)? {
        if let Some(path) = segment.interpreter(endian, data)? {
            interpreter = Some(text(path));
        }
    }
    let dynamic = sections.dynamic_table(endian, data)?;
    let (mut needed, mut runpath, mut rpath) = (Vec::new(), Vec::new(), Vec::new());
    let mut pie = false;
    for entry in dynamic.iter() {
        match entry.tag {
            elf::DT_NEEDED => needed.push(text(dynamic.string(entry)?)),
            elf::DT_RUNPATH => runpath = folders(&text(dynamic.string(entry)?)),
            elf::DT_FLAGS_1 => pie = entry.val & PIE != 0,
            elf::DT_RPATH => rpath = folders(&text(dynamic.string(entry)?)),
            _ => {}
        }
    }
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if let Some((mut needs, link)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((need, mut wanted)) = needs.next()? {
            let names = versions.entry(text(need.file(endian, strings)?)).or_default();
            while let Some(version) = wanted.next()? {
                names.push(text(version.name(endian, strings)?));
            }
        }
    }
    let mut provides = Vec::new();
    if let Some((mut defined, link)) = sections.gnu_verdef(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut names)) = defined.next()? {
            if let Some(name) = names.next()? {
                provides.push(text(name.name(endian, strings)?));
            }
        }
    }
    Ok(Elf {
        architecture: architecture(header.e_machine(endian)).to_owned(),
        executable: interpreter.is_some() || header.e_type(endian) == elf::ET_EXEC || pie,
        interpreter,
        needed,
        inherited: runpath.is_empty() && !rpath.is_empty(),
        search: if runpath.is_empty() { rpath } else { runpath },
        versions,
        provides,
    })
}

fn architecture(machine: elf::Machine) -> &'static str {
    match machine {
        elf::EM_X86_64 => "amd64",
        elf::EM_AARCH64 => "arm64",
        elf::EM_RISCV => "riscv64",
        elf::EM_S390 => "s390x",
        elf::EM_PPC64 => "ppc64le",
        _ => "unknown",
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

fn folders(path: &str) -> Vec<String> {
    path.split(':')
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}
