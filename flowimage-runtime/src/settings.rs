//! `flowimage.toml` where a command runs: profiles, engine, registries and orchestrator.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use flowimage_model::Declaration;
use flowimage_model::schedule::Schedule;
use flowimage_model::settings::{FILE, Running, Settings};
use flowimage_model::tree::Position;

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SettingsError {
    message: String,
    advice: Option<String>,
}

impl crate::Advise for SettingsError {
    fn advice(&self) -> Option<String> {
        self.advice.clone()
    }
}

/// The file of a crate: that beside its `Cargo.toml`, else the one at the workspace's root; with what it says of
/// declarations as it is now. Without a file, none and no settings.
///
/// # Errors
/// It cannot be read, or has a mistake that does not depend on a profile.
pub fn read(
    crate_folder: &Path,
    root: &Path,
) -> Result<(Option<PathBuf>, Settings<Position>), SettingsError> {
    for path in [crate_folder.join(FILE), root.join(FILE)] {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(SettingsError {
                    message: format!("{} cannot be read: {error}", path.display()),
                    advice: None,
                });
            }
        };
        let (settings, findings) = Settings::read(&text);
        return match findings.mistakes.into_iter().next() {
            Some(mistake) => Err(SettingsError {
                message: format!("{}:{}: {}", path.display(), mistake.place, mistake.message),
                advice: mistake.help.into_iter().next(),
            }),
            None => Ok((Some(path), settings)),
        };
    }
    Ok((None, Settings::default()))
}

/// What holds for a command, with the profile that it names. Paths are absolute.
///
/// # Errors
/// As [`read`]; a key or value of a table for commands that is none; an unknown profile.
pub fn running(crate_folder: &Path, root: &Path, profile: Option<&str>) -> Result<Running, SettingsError> {
    let (path, settings) = read(crate_folder, root)?;
    let mut running = settings.running(profile).map_err(|mistakes| {
        let mut mistakes = mistakes.into_iter();
        let Some(first) = mistakes.next() else {
            return SettingsError {
                message: format!("{FILE} cannot be used"),
                advice: None,
            };
        };
        let shown = path.as_deref().unwrap_or(Path::new(FILE)).display();
        let mut message = match first.place {
            Some(place) => format!("{shown}:{place}: {}", first.message),
            None => format!("{shown}: {}", first.message),
        };
        for mistake in mistakes {
            let place = mistake.place.map(|place| place.to_string()).unwrap_or_default();
            message.push_str(&format!("\n       {shown}:{place}: {}", mistake.message));
        }
        SettingsError {
            message,
            advice: first.help.into_iter().next(),
        }
    })?;
    let folder = path.as_deref().and_then(Path::parent);
    let paths = [&mut running.engine.cert_path, &mut running.registry.bases];
    for path in paths.into_iter().flatten() {
        if let Some(folder) = folder {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
    }
    Ok(running)
}

/// When the orchestrator runs a flow: as the profile says, else as declared.
pub fn schedule<'a>(running: &'a Running, declaration: &'a Declaration) -> Option<&'a Schedule> {
    running
        .profile
        .schedule
        .as_ref()
        .or(declaration.schedule.as_ref())
}

/// A flow's tags at the orchestrator: those of the profile, else the declared ones.
pub fn tags<'a>(running: &'a Running, declaration: &'a Declaration) -> &'a [String] {
    running.profile.tags.as_ref().unwrap_or(&declaration.tags)
}

/// A flow's work pool: that of the profile, else the declared one, else that of `[prefect]`.
pub fn work_pool<'a>(running: &'a Running, declaration: &'a Declaration) -> Option<&'a str> {
    let nearest = running
        .profile
        .work_pool
        .as_ref()
        .or(declaration.work_pool.as_ref());
    nearest.or(running.prefect.work_pool.as_ref()).map(String::as_str)
}
