//! Housekeeping: removes what no entry of the catalog needs, in the project's products and in the engine.
//!
//! Needed are the images that are registered, whatever their target, with the environments they stand on, and the
//! bases that are pinned. What goes is made or read again when it is wanted. Only files that flowimage names are
//! looked at; a layout in another folder (`--output`) is its owner's.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::at_hand::digest_of;
use crate::catalog::Catalog;
use crate::failure::{Failure, Stage, at};
use crate::file_index::FileIndex;
use crate::layer_cache;
use crate::layout::{Layout, LayoutError, is_hash};
use crate::oci::{Digest, Image, sha256};
use crate::pipeline::VERIFIED;
use crate::project::Project;
use crate::session::{Session, WORK_SIGN};

/// Something that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// What it was, in a word or two.
    pub kind: &'static str,
    /// Its path below the products, its ID or name in the engine.
    pub name: String,
    /// Its size; of an engine's image nothing is known by itself.
    pub bytes: Option<u64>,
}

/// What became of the engine's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    /// It was looked at; the images that went had so many bytes, with the layers they share with others.
    Yes {
        /// At most what became free.
        bytes: u64,
    },
    /// It was left out, and why.
    No(String),
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// One by one.
    pub removed: Vec<Removed>,
    /// Of the engine.
    pub engine: Swept,
}

impl Cleaned {
    /// Bytes that became free in the products' folder.
    pub fn bytes(&self) -> u64 {
        self.removed.iter().filter_map(|it| it.bytes).sum()
    }
}

/// Cleans up after a project.
///
/// # Errors
/// Another command of the project is at work; the catalog, or that of another project with the same products, cannot
/// be read; something cannot be removed. What was removed until then stays so.
pub async fn clean(project: &Project, session: &Session) -> Result<Cleaned, Failure> {
    let _alone = alone(project)?;
    let (mut removed, needed) = products(project)?;
    let engine = engine(project, session, &needed, &mut removed).await?;
    Ok(Cleaned { removed, engine })
}

/// The lock under which no other process makes or reads images.
fn alone(project: &Project) -> Result<fs::File, Failure> {
    let sign = project.sign(WORK_SIGN).ok_or_else(|| {
        let place = project.products.display();
        Failure::text(
            Stage::Plan,
            format!("{place} cannot be written"),
            "check who owns it",
        )
    })?;
    match sign.try_lock() {
        Ok(()) => Ok(sign),
        Err(_) => Err(Failure::text(
            Stage::Plan,
            "another command of this project is at work, and what it makes is registered nowhere yet",
            "run `clean` again when it is done; nothing was removed",
        )),
    }
}

/// What the catalog's entries need.
#[derive(Default)]
struct Needed {
    /// Manifests: of what is registered, and of pinned bases.
    images: BTreeSet<Digest>,
    /// By which engines know what is registered.
    ids: BTreeSet<Digest>,
    /// Those with their configurations and layers.
    blobs: BTreeSet<Digest>,
    /// The uncompressed layers.
    diff_ids: BTreeSet<Digest>,
    /// Names of the lists of what registered images were made of.
    details: BTreeSet<String>,
}

impl Needed {
    fn by(catalogs: &[Catalog], layout: &Layout) -> Result<Self, Failure> {
        let mut needed = Self::default();
        for catalog in catalogs {
            for (flow, targets) in catalog.all().map_err(at(Stage::Plan))? {
                for (target, registration) in targets {
                    let details = sha256(Project::details_key(&flow, &target).as_bytes());
                    needed.details.insert(details.hex().to_owned());
                    needed.images.insert(registration.digest);
                    needed.ids.insert(registration.image_id);
                }
            }
            needed.images.extend(catalog.pins().map_err(at(Stage::Plan))?);
        }
        for digest in needed.images.clone() {
            if let Some(image) = documents(layout, &digest)? {
                needed.add(&image);
            }
        }
        Ok(needed)
    }

    fn add(&mut self, image: &Image) {
        self.blobs.insert(image.digest());
        self.blobs.insert(image.id());
        for layer in &image.layers {
            self.blobs.insert(layer.blob.digest.clone());
            self.diff_ids.insert(layer.diff_id.clone());
        }
    }

    /// The bases below needed images, which may be pinned by the digest of an index that is not here.
    fn add_bases(&mut self, folder: &Path, layout: &Layout) -> Result<(), Failure> {
        for (name, ..) in files(folder) {
            let Ok(digest) = format!("sha256:{name}").parse() else {
                continue;
            };
            let Some(image) = documents(layout, &digest)? else {
                continue;
            };
            if !image.layers.is_empty() && image.layers.iter().all(|it| self.blobs.contains(&it.blob.digest))
            {
                self.add(&image);
            }
        }
        Ok(())
    }
}

/// An image's documents, where they are here and whole. One that is there and cannot be read is an error: what it
/// needs is not known then, and may not be removed.
fn documents(layout: &Layout, digest: &Digest) -> Result<Option<Image>, Failure> {
    match layout.read_documents(digest, "") {
        Ok(image) => Ok(Some(image)),
        Err(LayoutError::Damaged { .. }) => Ok(None),
        Err(LayoutError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(Stage::Plan, &error)),
    }
}

fn products(project: &Project) -> Result<(Vec<Removed>, BTreeSet<Digest>), Failure> {
    let catalogs = catalogs(project)?;
    let layout = Layout::open(project.layout()).map_err(at(Stage::Plan))?;
    let mut needed = Needed::by(&catalogs, &layout)?;
    needed.add_bases(&project.bases(), &layout)?;
    let needed = needed;

    let mut removed = Vec::new();
    let mut gone = |kind: &'static str, paths: Vec<(PathBuf, u64)>| {
        removed.extend(paths.into_iter().map(|(path, bytes)| {
            Removed {
                kind,
                name: path
                    .strip_prefix(&project.products)
                    .unwrap_or(&path)
                    .display()
                    .to_string(),
                bytes: Some(bytes),
            }
        }));
    };
    gone("root of a dead sandbox", folders(&project.roots(), "root-")?);
    gone(
        "second build that was killed",
        folders(&project.products, VERIFIED)?,
    );
    let blobs = layout.keep_only(&needed.images, &needed.blobs);
    gone("blob", blobs.map_err(at(Stage::Plan))?);
    #[cfg(feature = "engine")]
    gone(
        "environment",
        crate::environment::forget(&project.environments(), &needed.blobs, &needed.images),
    );
    let memory = "memory of what is gone";
    gone(
        memory,
        prune(&project.layers(), |_, bytes| {
            layer_cache::blob(&bytes()).is_some_and(|blob| needed.blobs.contains(&blob))
        }),
    );
    gone(
        memory,
        prune(&project.layers_seen(), |name, _| {
            needed.diff_ids.iter().any(|it| name.starts_with(it.hex()))
        }),
    );
    gone(
        memory,
        prune(&project.bases(), |name, _| {
            needed.blobs.iter().any(|it| it.hex() == name)
        }),
    );
    gone(
        memory,
        prune(&project.registered(), |name, _| needed.details.contains(name)),
    );
    #[cfg(feature = "engine")]
    gone(memory, prune(&project.pulled(), |_, _| true));
    gone(memory, built(&project.built(), &needed));
    let files = project.files();
    let shorter = FileIndex::new(files.clone()).forget_gone();
    if shorter > 0 {
        gone(memory, vec![(files, shorter)]);
    }
    Ok((removed, needed.images.union(&needed.ids).cloned().collect()))
}

/// The catalogs whose entries need something of the products: this project's, and those of others that share them.
fn catalogs(project: &Project) -> Result<Vec<Catalog>, Failure> {
    let mut roots = BTreeSet::from([project.real_root.clone()]);
    for (_, path, _) in files(&project.sharers()) {
        let root = fs::read(&path).unwrap_or_default();
        if root.is_empty() {
            return Err(Failure::text(
                Stage::Plan,
                format!(
                    "{} does not say which project shares the products",
                    path.display()
                ),
                "remove it, if it was damaged by a full disk; nothing was removed",
            ));
        }
        let root = PathBuf::from(OsString::from_vec(root));
        // A project that is gone needs nothing.
        if root.is_dir() {
            roots.insert(root);
        }
    }
    Ok(roots.iter().map(|root| Catalog::in_folder(root)).collect())
}

/// Removes the files of ours in a folder that are not to be kept: those named by a hash, and what processes that were
/// killed left half written. Says what went, with its bytes.
pub(crate) fn prune(folder: &Path, keep: impl Fn(&str, &dyn Fn() -> Vec<u8>) -> bool) -> Vec<(PathBuf, u64)> {
    let mut gone = Vec::new();
    for (name, path, size) in files(folder) {
        let is_half = name.starts_with(".tmp");
        let is_ours = is_half || name.get(..64).is_some_and(is_hash);
        let bytes = || fs::read(&path).unwrap_or_default();
        if is_ours && (is_half || !keep(&name, &bytes)) && fs::remove_file(&path).is_ok() {
            gone.push((path, size));
        }
    }
    gone
}

/// Forgets which image was built last of a flow, where that is not here any more.
fn built(folder: &Path, needed: &Needed) -> Vec<(PathBuf, u64)> {
    let mut gone = Vec::new();
    for (_, path, size) in files(folder) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if digest_of(&text).is_some_and(|digest| !needed.blobs.contains(&digest))
            && fs::remove_file(&path).is_ok()
        {
            gone.push((path, size));
        }
    }
    gone
}

/// The regular files of a folder: name, path, size.
fn files(folder: &Path) -> Vec<(String, PathBuf, u64)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((
                entry.file_name().into_string().ok()?,
                entry.path(),
                metadata.len(),
            ))
        })
        .collect();
    files.sort();
    files
}

/// Removes folders that processes which are gone worked in.
fn folders(folder: &Path, prefix: &str) -> Result<Vec<(PathBuf, u64)>, Failure> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut gone = Vec::new();
    for entry in entries {
        let is_folder = entry.file_type().is_ok_and(|it| it.is_dir());
        if is_folder
            && entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(prefix.as_bytes())
        {
            let path = entry.path();
            let bytes = remove_tree(&path).map_err(|error| {
                Failure::text(
                    Stage::Plan,
                    format!("cannot remove {}: {error}", path.display()),
                    "check who owns it, and remove it yourself",
                )
            })?;
            gone.push((path, bytes));
        }
    }
    Ok(gone)
}

/// Removes a folder with all that is in it, also where an image's modes forbid it; follows no link. Says how many
/// bytes its files had.
fn remove_tree(folder: &Path) -> io::Result<u64> {
    use std::os::unix::fs::PermissionsExt;
    let mut bytes = 0;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            bytes += remove_tree(&entry.path())?;
        } else {
            bytes += metadata.len();
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(folder)?;
    Ok(bytes)
}

/// The engine's part. Without an engine it is left out: nothing else depends on it.
#[cfg(feature = "engine")]
async fn engine(
    project: &Project,
    session: &Session,
    needed: &BTreeSet<Digest>,
    removed: &mut Vec<Removed>,
) -> Result<Swept, Failure> {
    use crate::session::ENGINE_SIGN;
    let engine = match session.connect().await {
        Ok(engine) => engine,
        Err(failure) => return Ok(Swept::No(failure.message)),
    };
    let sign = project.sign(ENGINE_SIGN);
    if sign.as_ref().is_some_and(|file| file.try_lock().is_err()) {
        let why = "another command of this project uses the engine; run `clean` again when it is done";
        return Ok(Swept::No(why.to_owned()));
    }
    let kept = crate::environment::kept(&project.environments());
    let dead = engine.sweep().await.map_err(at(Stage::Plan))?;
    let ours = engine
        .sweep_project(&project.mark(), |id| kept.contains(id))
        .await
        .map_err(at(Stage::Plan))?;
    let mut gone = |kind: &'static str, names: Vec<String>| {
        removed.extend(names.into_iter().map(|name| Removed {
            kind,
            name,
            bytes: None,
        }));
    };
    gone("container", dead.containers);
    gone("container", ours.containers);
    gone("engine image", ours.images);
    gone("engine image", unneeded(project, &engine, needed).await?);
    Ok(Swept::Yes { bytes: ours.bytes })
}

/// Removes what the engine pulled or was given for a command of images that are not registered any more. One that is in
/// use stays, for the next time.
#[cfg(feature = "engine")]
async fn unneeded(
    project: &Project,
    engine: &crate::engine::Engine,
    needed: &BTreeSet<Digest>,
) -> Result<Vec<String>, Failure> {
    use crate::engine::EngineError;
    use crate::pulled;
    let mut gone = Vec::new();
    for image in pulled::all(project, engine.address()) {
        if image.is_one_of(needed) {
            continue;
        }
        let there = engine.image(&image.name).await.map_err(at(Stage::Plan))?;
        if there.is_some_and(|there| image.is(&there.id)) {
            match engine.remove_image(&image.name).await {
                Ok(true) => gone.push(image.name),
                Ok(false) => {}
                Err(EngineError::Refused { .. }) => continue,
                Err(error) => return Err(Failure::new(Stage::Plan, &error)),
            }
        }
        let _ = fs::remove_file(image.path);
    }
    Ok(gone)
}

#[cfg(not(feature = "engine"))]
#[allow(clippy::unused_async, reason = "the same call with and without the feature")]
async fn engine(
    _: &Project,
    _: &Session,
    _: &BTreeSet<Digest>,
    _: &mut Vec<Removed>,
) -> Result<Swept, Failure> {
    Ok(Swept::No(
        "this program was compiled without the feature `engine`".to_owned(),
    ))
}
