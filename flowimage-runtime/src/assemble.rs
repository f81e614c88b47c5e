//! The embedded builder: puts an image together from layers of this machine, without an engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flowimage_model::Declaration;
use flowimage_model::declaration::Base;
use flowimage_model::escape::expand_env;
use flowimage_model::render::{DEFAULT_USER, binary_path};
use serde_json::{Value, json};

use crate::elf::{self, Elf};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::layer::{Content, Entry, LayerBuilder, LayerError};
use crate::layer_cache::{Inputs, LayerCache};
use crate::oci::{Image, Layer, Platform};
use crate::scratch;

/// The program that becomes the entrypoint of every flow's image.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Its path on this machine.
    pub path: PathBuf,
    /// What it needs.
    pub elf: Elf,
    /// Whether its debug sections are left out on the way.
    pub has_debug_sections: bool,
}

impl Binary {
    /// Reads what a program says of itself.
    ///
    /// # Errors
    /// It is no Linux program.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let elf = Elf::read(path).map_err(at(Stage::Plan))?;
        let has_debug_sections = elf::has_debug_sections(path).map_err(at(Stage::Plan))?;
        Ok(Self {
            path: path.to_owned(),
            elf,
            has_debug_sections,
        })
    }

    /// The image's platform.
    pub fn platform(&self) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: self.elf.architecture.clone(),
            variant: None,
        }
    }
}

/// What an image stands on: configuration and layers below the flow's own.
#[derive(Clone, Debug, Default)]
pub struct Foundation {
    /// `config` of the image configuration; `Null` for the empty image.
    pub config: Value,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Files that give the default user a name, where the base has no user.
    pub account: BTreeMap<String, String>,
    /// Whether files, variables and labels of the declaration are in it already.
    pub complete: bool,
}

/// An image put together, and whether any layer had to be made for it.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The image.
    pub image: Image,
    /// Names of the layers that were made now: `libraries`, `files`, `flow`.
    pub made: Vec<&'static str>,
}

/// Puts the image of a flow together on a foundation.
///
/// # Errors
/// A file or library cannot be read; the layout cannot be written.
pub fn assemble(
    unit: &FlowUnit,
    folder: &Path,
    binary: &Binary,
    foundation: &Foundation,
    cache: &LayerCache,
    created: u64,
) -> Result<Assembled, Failure> {
    let declaration = &unit.declaration;
    let mut layers = foundation.layers.clone();
    let mut made = Vec::new();
    let mut add = |name: &'static str, (layer, new): (Layer, bool)| {
        layers.push(layer);
        if new {
            made.push(name);
        }
    };
    if *declaration.base_image.base() == Base::Scratch && !foundation.complete {
        let root = scratch::root(&binary.path, &binary.elf, &shipped_programs(declaration, folder))
            .map_err(at(Stage::Build))?;
        let inputs = inputs("libraries", &root).map_err(at(Stage::Build))?;
        add(
            "libraries",
            cache.layer(&inputs, || Ok(root)).map_err(at(Stage::Build))?,
        );
    }
    if !foundation.account.is_empty() && declaration.user.is_none() {
        let mut account = LayerBuilder::new();
        for (path, text) in &foundation.account {
            account.bytes(path, text.as_bytes(), 0o644);
        }
        account.folder("/home/flow", 0o755, scratch::DEFAULT_UID);
        let inputs = inputs("account", &account).map_err(at(Stage::Build))?;
        add(
            "account",
            cache.layer(&inputs, || Ok(account)).map_err(at(Stage::Build))?,
        );
    }
    if !declaration.files.is_empty() && !foundation.complete {
        let files = files(declaration, folder).map_err(at(Stage::Build))?;
        let inputs = inputs("files", &files).map_err(at(Stage::Build))?;
        add(
            "files",
            cache.layer(&inputs, || Ok(files)).map_err(at(Stage::Build))?,
        );
    }
    add("flow", flow_layer(declaration, binary, cache)?);
    let config = configuration(unit, binary, foundation, &layers, created);
    let config = serde_json::to_vec(&config).map_err(|error| {
        Failure::text(
            Stage::Build,
            error.to_string(),
            "report this: a configuration is JSON",
        )
    })?;
    Ok(Assembled {
        image: Image::new(config, layers),
        made,
    })
}

fn inputs(kind: &str, layer: &LayerBuilder) -> Result<Inputs, LayerError> {
    let mut inputs = Inputs::new(kind);
    inputs.entries(layer)?;
    Ok(inputs)
}

/// The declared files, as one layer.
///
/// # Errors
/// A file cannot be read.
pub fn files(declaration: &Declaration, folder: &Path) -> Result<LayerBuilder, LayerError> {
    let mut layer = LayerBuilder::new();
    for file in &declaration.files {
        layer.host(file.destination.as_str(), &folder.join(&file.source))?;
    }
    Ok(layer)
}

/// Declared files that may be programs, whose libraries must be in the image too.
pub fn shipped_programs(declaration: &Declaration, folder: &Path) -> Vec<PathBuf> {
    declaration
        .files
        .iter()
        .filter(|file| !file.folder)
        .map(|file| folder.join(&file.source))
        .collect()
}

/// The flow binary alone: the one layer that a change of the code changes, and one for all flows of a binary.
fn flow_layer(
    declaration: &Declaration,
    binary: &Binary,
    cache: &LayerCache,
) -> Result<(Layer, bool), Failure> {
    let path = binary_path(declaration);
    let mut inputs = Inputs::new("flow");
    inputs.text(&path);
    inputs.file(&binary.path).map_err(at(Stage::Build))?;
    if let Some(layer) = cache.find(&inputs) {
        return Ok((layer, false));
    }
    let content = if binary.has_debug_sections {
        Content::Bytes(elf::strip(&binary.path).map_err(at(Stage::Build))?)
    } else {
        Content::Host(binary.path.clone())
    };
    let mut layer = LayerBuilder::new();
    layer.add(
        &path,
        Entry {
            content,
            mode: 0o755,
            owner: 0,
        },
    );
    cache.layer(&inputs, || Ok(layer)).map_err(at(Stage::Build))
}

/// The image configuration.
///
/// Source of the form: <https://github.com/opencontainers/image-spec/blob/main/config.md>.
fn configuration(
    unit: &FlowUnit,
    binary: &Binary,
    foundation: &Foundation,
    layers: &[Layer],
    created: u64,
) -> Value {
    const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let declaration = &unit.declaration;
    let mut config = match &foundation.config {
        Value::Object(config) => Value::Object(config.clone()),
        _ => json!({}),
    };
    let mut environment = environment_of(&config);
    if environment.iter().all(|(name, _)| name != "PATH") {
        environment.insert(0, ("PATH".to_owned(), PATH.to_owned()));
    }
    if !foundation.complete {
        let before = environment.clone();
        let lookup = |wanted: &str| {
            before
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        };
        for (name, value) in &declaration.env_vars {
            let value = expand_env(value.as_str(), &lookup);
            match environment.iter_mut().find(|(known, _)| known == name.as_str()) {
                Some(pair) => pair.1 = value,
                None => environment.push((name.to_string(), value)),
            }
        }
    }
    config["Env"] = environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    config["Entrypoint"] = json!([binary_path(declaration)]);
    config["Cmd"] = json!(["run", declaration.name.as_str()]);
    config["User"] = json!(user(declaration, &foundation.config));
    if *declaration.base_image.base() == Base::Scratch && declaration.user.is_none() {
        config["WorkingDir"] = json!("/home/flow");
    }
    if !foundation.complete {
        for command in &declaration.extra_dockerfile_commands {
            configure(&mut config, command);
        }
    }
    let mut labels: BTreeMap<String, String> = config
        .get("Labels")
        .and_then(|labels| serde_json::from_value(labels.clone()).ok())
        .unwrap_or_default();
    labels.extend(
        declaration
            .labels
            .iter()
            .map(|(key, value)| (key.to_string(), value.clone())),
    );
    labels.insert(
        "org.opencontainers.image.title".to_owned(),
        declaration.name.to_string(),
    );
    if let Some(description) = &declaration.description {
        labels.insert(
            "org.opencontainers.image.description".to_owned(),
            description.clone(),
        );
    }
    labels.insert("dev.flowimage.flow".to_owned(), declaration.name.to_string());
    labels.insert(
        "dev.flowimage.declaration".to_owned(),
        unit.declaration_hash().hex().to_owned(),
    );
    config["Labels"] = json!(labels);
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    json!({
        "created": timestamp(created),
        "architecture": binary.elf.architecture,
        "os": "linux",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
}

/// The variables of a configuration's `Env`.
fn environment_of(config: &Value) -> Vec<(String, String)> {
    let pairs = config
        .get("Env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// The user of the image: declared, else the base's, else the default one.
fn user(declaration: &Declaration, base: &Value) -> String {
    let of_base = base
        .get("User")
        .and_then(Value::as_str)
        .filter(|user| !user.is_empty());
    match (&declaration.user, of_base) {
        (Some(user), _) => user.to_string(),
        (None, Some(user)) => user.to_owned(),
        (None, None) => DEFAULT_USER.to_owned(),
    }
}

/// Carries out an extra command that only configures.
fn configure(config: &mut Value, command: &str) {
    let (word, arguments) = command
        .trim()
        .split_once(char::is_whitespace)
        .unwrap_or((command, ""));
    let arguments = arguments.trim();
    match word.to_ascii_uppercase().as_str() {
        "WORKDIR" => config["WorkingDir"] = json!(arguments),
        "STOPSIGNAL" => config["StopSignal"] = json!(arguments),
        "EXPOSE" => {
            for port in arguments.split_whitespace() {
                let port = if port.contains('/') {
                    port.to_owned()
                } else {
                    format!("{port}/tcp")
                };
                config["ExposedPorts"][port] = json!({});
            }
        }
        _ => {}
    }
}

/// Seconds since 1970 as RFC 3339, in UTC.
fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a date in the proleptic Gregorian calendar, counted in eras of 400 years from March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_dates() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_826_554), "2000-02-29T12:15:54Z");
        assert_eq!(timestamp(1_767_225_599), "2025-12-31T23:59:59Z");
    }

    #[test]
    fn extra_commands_that_configure() {
        let mut config = json!({});
        for command in ["EXPOSE 80 53/udp", "workdir /x", "STOPSIGNAL SIGINT"] {
            configure(&mut config, command);
        }
        assert_eq!(
            config,
            json!({"ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "WorkingDir": "/x", "StopSignal": "SIGINT"})
        );
    }
}
