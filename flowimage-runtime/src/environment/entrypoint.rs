//! The entrypoint of an image in an engine.

use crate::base::entrypoint::{Front, runs_its_arguments};
use crate::engine::{Engine, EngineImage};
use crate::failure::{Failure, Stage, at};

/// The words of the image's entrypoint that are kept in front of the flow; none where it is replaced.
pub(super) async fn kept(engine: &Engine, image: &EngineImage) -> Result<Vec<String>, Failure> {
    let (script, words) = match Front::of(&image.config) {
        Front::Words(words) => return Ok(words),
        Front::Script(script, words) => (script, words),
    };
    const LIMIT: u64 = 256 << 10;
    let files = engine.files(image.id.as_str()).await.map_err(at(Stage::Build))?;
    // A folder, or a program larger than any script, does not run its arguments as far as can be seen.
    let text = files
        .read(&script, LIMIT)
        .await
        .ok()
        .flatten()
        .unwrap_or_default();
    files.close().await.map_err(at(Stage::Build))?;
    let runs = runs_its_arguments(&String::from_utf8_lossy(&text));
    Ok(if runs { words } else { Vec::new() })
}
