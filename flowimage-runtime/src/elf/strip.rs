//! Leaves the debug sections out of a program. Symbols stay, so that a backtrace has names.

use std::fs::{self, File};
use std::path::Path;

use object::build::elf::Builder;
use object::read::ReadCache;

use super::ElfError;

/// Whether a program has sections that only a debugger reads.
///
/// # Errors
/// The file cannot be read, or is no 64-bit ELF file.
pub fn has_debug_sections(path: &Path) -> Result<bool, ElfError> {
    let file = File::open(path).map_err(|source| ElfError::File {
        path: path.to_owned(),
        source,
    })?;
    let cache = ReadCache::new(file);
    let (_, endian, sections) = super::heads(&cache).map_err(|error| format(path, &error))?;
    Ok(sections
        .iter()
        .any(|section| sections.section_name(endian, section).is_ok_and(is_debug)))
}

/// The program's bytes without its debug sections.
///
/// # Errors
/// The file cannot be read or taken apart.
pub fn strip(path: &Path) -> Result<Vec<u8>, ElfError> {
    let bytes = fs::read(path).map_err(|source| ElfError::File {
        path: path.to_owned(),
        source,
    })?;
    let mut builder = Builder::read(&*bytes).map_err(|error| format(path, &error))?;
    for section in &mut builder.sections {
        if is_debug(section.name.as_slice()) {
            section.delete = true;
        }
    }
    builder.delete_orphan_symbols();
    let mut out = Vec::new();
    builder.write(&mut out).map_err(|error| format(path, &error))?;
    Ok(out)
}

fn is_debug(name: &[u8]) -> bool {
    [&b".debug_"[..], b".zdebug_", b".gdb_index", b".gnu_debuglink"]
        .iter()
        .any(|start| name.starts_with(start))
}

fn format(path: &Path, error: &dyn std::fmt::Display) -> ElfError {
    ElfError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_stripped_program_runs_is_smaller_and_stays_as_it_is() {
        let program = std::env::current_exe().unwrap();
        assert!(
            has_debug_sections(&program).unwrap(),
            "the test profile has debug info"
        );
        let stripped = strip(&program).unwrap();
        assert!(stripped.len() < usize::try_from(fs::metadata(&program).unwrap().len()).unwrap() / 2);
        assert_eq!(stripped, strip(&program).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stripped");
        fs::write(&path, &stripped).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!has_debug_sections(&path).unwrap());
        let listed = Command::new(&path).arg("--list").output().unwrap();
        assert!(
            String::from_utf8_lossy(&listed.stdout).contains("a_stripped_program"),
            "{listed:?}"
        );
    }
}
