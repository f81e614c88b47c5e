//! Build contexts: what a build may copy from, streamed to the engine as it is read.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flowimage_model::Declaration;
use flowimage_model::declaration::UserDockerfile;
use flowimage_model::dockerfile::Dockerfile;
use flowimage_model::ignore::Ignore;
use flowimage_model::render::staged_file;
use tokio::io::{AsyncWriteExt, DuplexStream};

use super::sources;
use crate::catalog::is_catalog;
use crate::failure::{Failure, Stage, at};
use crate::layer::{Content, Entry, LayerBuilder, LayerError};

/// The declared files where the generated Dockerfile copies them from.
pub(crate) fn staged(files: &LayerBuilder) -> LayerBuilder {
    let mut staged = LayerBuilder::new();
    for (path, entry) in files.entries() {
        staged.add(&staged_file(&format!("/{path}")), entry.clone());
    }
    staged
}

/// The context of the author's Dockerfile: what it copies of the crate's folder, as far as its text tells, without what
/// an ignore file leaves out.
///
/// # Errors
/// The folder or the ignore file cannot be read.
pub(crate) fn of_dockerfile(
    declaration: &Declaration,
    dockerfile: &UserDockerfile,
    folder: &Path,
) -> Result<LayerBuilder, Failure> {
    let copied: Option<BTreeSet<String>> = sources::paths(&Dockerfile::read(&dockerfile.text));
    let ignore = match ignore_file(declaration, dockerfile, folder) {
        None => Ignore::default(),
        Some(path) => read_ignore(&folder.join(&path), &path)?,
    };
    of_folder(folder, copied.as_ref(), &ignore).map_err(at(Stage::Build))
}

/// The ignore file that counts, relative to the crate: the declared one, else those that Docker looks for.
pub(crate) fn ignore_file(
    declaration: &Declaration,
    dockerfile: &UserDockerfile,
    folder: &Path,
) -> Option<String> {
    let there = |path: &String| folder.join(path).is_file();
    let declared = declaration.dockerignore.clone();
    declared.or_else(|| Ignore::candidates(Some(&dockerfile.path)).into_iter().find(there))
}

fn read_ignore(path: &Path, shown: &str) -> Result<Ignore, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::text(
            Stage::Build,
            format!("`dockerignore`: cannot read {shown}: {error}"),
            "correct the path, which is relative to the crate",
        )
    })?;
    Ignore::parse(&text).map_err(|mistakes| {
        let lines: Vec<String> = mistakes
            .iter()
            .map(|mistake| format!("{shown}:{}: {}", mistake.line, mistake.error))
            .collect();
        Failure::text(Stage::Build, lines.join("\n"), "correct the ignore file")
    })
}

/// What of a folder is not ignored, or of that only what is copied.
///
/// Modes are kept, as `docker build` does; sockets and devices are left out.
///
/// # Errors
/// A folder that cannot be read; a name that is not UTF-8.
fn of_folder(
    folder: &Path,
    copied: Option<&BTreeSet<String>>,
    ignore: &Ignore,
) -> Result<LayerBuilder, LayerError> {
    let mut context = LayerBuilder::new();
    let walk = Walk { folder, ignore };
    match copied {
        // What is copied through a link lies elsewhere: then all is taken.
        Some(paths) if !paths.iter().any(|path| passes_link(folder, path)) => {
            for path in paths {
                let source = folder.join(path);
                // What is missing is the builder's to say, with the line that wants it.
                if let Ok(metadata) = fs::symlink_metadata(&source) {
                    walk.entry(&mut context, path, &source, &metadata)?;
                }
            }
        }
        _ => walk.folder(&mut context, "", folder)?,
    }
    Ok(context)
}

struct Walk<'a> {
    folder: &'a Path,
    ignore: &'a Ignore,
}

impl Walk<'_> {
    fn folder(&self, context: &mut LayerBuilder, path: &str, source: &Path) -> Result<(), LayerError> {
        let unreadable = |error| LayerError::Read {
            path: source.to_owned(),
            source: error,
        };
        for entry in fs::read_dir(source).map_err(unreadable)? {
            let source = entry.map_err(unreadable)?.path();
            let Some(name) = source.file_name().and_then(|name| name.to_str()) else {
                return Err(LayerError::NotText(source));
            };
            // Each registration writes it: with it in the image, there would be no unchanged one.
            if path.is_empty() && is_catalog(name) {
                continue;
            }
            let path = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            };
            let metadata = fs::symlink_metadata(&source).map_err(unreadable)?;
            self.entry(context, &path, &source, &metadata)?;
        }
        Ok(())
    }

    fn entry(
        &self,
        context: &mut LayerBuilder,
        path: &str,
        source: &Path,
        metadata: &Metadata,
    ) -> Result<(), LayerError> {
        let is_ignored = self.ignore.excludes(path);
        if is_ignored && (!metadata.is_dir() || self.ignore.excludes_all_below(path)) {
            return Ok(());
        }
        let content = if metadata.is_dir() {
            Some(Content::Folder)
        } else if metadata.is_symlink() {
            let target = fs::read_link(source).map_err(|error| LayerError::Read {
                path: source.to_owned(),
                source: error,
            })?;
            let target = target
                .into_os_string()
                .into_string()
                .map_err(|_| LayerError::NotText(source.to_owned()))?;
            Some(Content::Link(target))
        } else {
            metadata
                .is_file()
                .then(|| Content::Host(self.folder.join(path).into()))
        };
        if let (Some(content), false) = (content, is_ignored) {
            context.add(
                path,
                Entry {
                    content,
                    mode: metadata.permissions().mode() & 0o7777,
                    owner: 0,
                },
            );
        }
        if metadata.is_dir() {
            self.folder(context, path, source)?;
        }
        Ok(())
    }
}

fn passes_link(folder: &Path, path: &str) -> bool {
    let mut place = folder.to_owned();
    path.split('/').any(|part| {
        place.push(part);
        place.is_symlink()
    })
}

/// Starts to write a context on a thread of its own, as fast as it is read from the other end.
pub(super) fn stream(
    context: LayerBuilder,
    time: u64,
) -> (DuplexStream, tokio::task::JoinHandle<io::Result<()>>) {
    let (writer, reader) = tokio::io::duplex(1 << 20);
    let handle = tokio::runtime::Handle::current();
    let sender = tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::with_capacity(256 << 10, Bridge { writer, handle });
        context.write_tar(&mut out, time).map_err(io::Error::other)?;
        out.flush()
    });
    (reader, sender)
}

/// Writes to an asynchronous stream from a blocking thread.
struct Bridge {
    writer: DuplexStream,
    handle: tokio::runtime::Handle,
}

impl Write for Bridge {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.handle.block_on(self.writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.handle.block_on(self.writer.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_what_is_not_ignored_with_its_modes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (path, mode) in [
            ("a/secret.key", 0o600),
            ("a/run.sh", 0o755),
            ("target/big", 0o644),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink("a/run.sh", root.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        fs::write(root.join("flowimage.lock"), "x").unwrap();
        fs::write(root.join(".flowimage.lock-half"), "x").unwrap();
        let ignored = Ignore::parse("target\n*.bak\n").unwrap();
        let seen = |copied: Option<&BTreeSet<String>>| {
            let context = of_folder(root, copied, &ignored).unwrap();
            let entries = context.entries();
            entries
                .filter(|(_, entry)| entry.content != Content::Folder)
                .map(|(path, entry)| format!("{path} {:o}", entry.mode))
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(None), ["a/run.sh 755", "a/secret.key 600", "link 777"]);
        let only = BTreeSet::from(["a/run.sh".to_owned(), "missing".to_owned()]);
        assert_eq!(seen(Some(&only)), ["a/run.sh 755"]);
        let asked_for = BTreeSet::from(["flowimage.lock".to_owned()]);
        assert_eq!(seen(Some(&asked_for)), ["flowimage.lock 644"]);
        let link = BTreeSet::from(["link".to_owned()]);
        assert_eq!(seen(Some(&link)).len(), 3, "what a link leads to is needed too");
    }
}
