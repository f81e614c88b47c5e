//! Environments beside the images of a registry, as `env-<identity>`: what one machine built, another finds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::assemble::Foundation;
use crate::failure::{Failure, Stage, at};
use crate::layout::Layout;
use crate::oci::{Digest, Image, Platform};
use crate::registry::{Access, RegistryError};
use crate::session::Session;
use crate::target::Target;

/// The label that carries what of an environment is no image configuration.
const LABEL: &str = "dev.flowimage.environment";

#[derive(Serialize, Deserialize)]
struct Carried {
    identity: Digest,
    account: BTreeMap<String, String>,
    entrypoint: Vec<String>,
    complete: bool,
}

/// The tag of an environment.
fn tag(identity: &Digest) -> String {
    format!("env-{}", identity.hex())
}

/// Publishes an environment, whose layers the repository has with the flow's image; says its name.
///
/// # Errors
/// The registry refuses.
pub(crate) async fn publish(
    foundation: &Foundation,
    platform: &Platform,
    target: &Target,
    session: &Session,
    layout: &Layout,
) -> Result<Option<String>, Failure> {
    let (Some(identity), true) = (&foundation.identity, target.is_remote()) else {
        return Ok(None);
    };
    let repository = target.repository(session)?;
    let tag = tag(identity);
    let image = image(foundation, identity, platform);
    let held = repository.manifest(&tag).await.map_err(at(Stage::Publish))?;
    let is_here = match &held {
        None => false,
        Some(held) if *held == image.digest() => true,
        // Another machine was first, and others have built on what it made: that stays.
        Some(_) => repository
            .image(&tag, platform)
            .await
            .map_err(at(Stage::Publish))?
            .is_some_and(|held| self::foundation(&held, identity).is_some()),
    };
    if !is_here {
        repository
            .push(&image, Some(&tag), layout)
            .await
            .map_err(at(Stage::Publish))?;
    }
    Ok(Some(format!("{target}:{tag}")))
}

/// Finds an environment beside the images: in the repository that the flow goes to, or in those of other flows at the same
/// registry. Its layers are brought here where something reads them; else they stay in the repository, where the flow's
/// image finds them.
///
/// A registry that does not answer has none: whether it may be written is said where that counts.
pub(super) async fn find(
    identity: &Digest,
    platform: &Platform,
    places: &[&Target],
    session: &Session,
    layout: &Layout,
    are_read: bool,
) -> Option<(Foundation, String)> {
    let tag = tag(identity);
    let mut silent = Vec::new();
    for place in places {
        let Target::Repository { registry, path } = place else {
            continue;
        };
        if silent.contains(&registry) {
            continue;
        }
        let repository = session.registries.repository(registry, path, Access::Pull);
        let image = match repository.image(&tag, platform).await {
            Ok(Some(image)) => image,
            Ok(None) | Err(RegistryError::Answer { .. } | RegistryError::Unauthorized { .. }) => continue,
            // Each of its repositories would take as long to say nothing.
            Err(_) => {
                silent.push(registry);
                continue;
            }
        };
        let image = match are_read {
            true => session.registries.download(&image, layout).await,
            false => Ok(image),
        };
        if let Some(foundation) = image.ok().and_then(|image| foundation(&image, identity)) {
            return Some((foundation, format!("{place}:{tag}")));
        }
    }
    None
}

fn image(foundation: &Foundation, identity: &Digest, platform: &Platform) -> Image {
    let carried = Carried {
        identity: identity.clone(),
        account: foundation.account.clone(),
        entrypoint: foundation.entrypoint.clone(),
        complete: foundation.complete,
    };
    let mut config = foundation.config.clone();
    let text = serde_json::to_string(&carried).unwrap_or_default();
    match config.get_mut("Labels").and_then(Value::as_object_mut) {
        Some(labels) => drop(labels.insert(LABEL.to_owned(), json!(text))),
        None => config["Labels"] = json!({ LABEL: text }),
    }
    let diff_ids: Vec<&str> = foundation
        .layers
        .iter()
        .map(|layer| layer.diff_id.as_str())
        .collect();
    let config = json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": platform.architecture,
        "os": platform.os,
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    Image::new(config.to_string().into_bytes(), foundation.layers.clone())
}

/// What an image carries, if it is the environment of that identity.
fn foundation(image: &Image, identity: &Digest) -> Option<Foundation> {
    let whole: Value = serde_json::from_slice(&image.config).ok()?;
    let mut config = whole.get("config")?.clone();
    let labels = config.get_mut("Labels")?.as_object_mut()?;
    let carried: Carried = serde_json::from_str(labels.remove(LABEL)?.as_str()?).ok()?;
    if labels.is_empty() {
        config["Labels"] = Value::Null;
    }
    (carried.identity == *identity).then(|| Foundation {
        config,
        layers: image.layers.clone(),
        complete: carried.complete,
        account: carried.account,
        entrypoint: carried.entrypoint,
        identity: Some(identity.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::sha256;

    #[test]
    fn an_environment_comes_back_as_it_went() {
        let identity = sha256(b"environment");
        let foundation_there = Foundation {
            config: json!({"Env": ["A=b"], "Labels": null, "User": ""}),
            layers: Vec::new(),
            account: BTreeMap::from([("/etc/passwd".to_owned(), "x".to_owned())]),
            complete: true,
            entrypoint: vec!["tini".to_owned()],
            identity: Some(identity.clone()),
        };
        let image = image(&foundation_there, &identity, &Platform::of_this_program());
        let here = foundation(&image, &identity).unwrap();
        assert_eq!(here.config, foundation_there.config);
        assert_eq!(here.account, foundation_there.account);
        assert_eq!(here.entrypoint, foundation_there.entrypoint);
        assert!(foundation(&image, &sha256(b"another")).is_none());
    }
}
