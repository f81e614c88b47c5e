//! What an image says of itself: where it comes from in OCI's words, which flows are in it in our own.
//!
//! Declaration, program and base decide them; nothing of the time, the machine or the folder is in them, so the same
//! image is built again with the same digest. They are for people and for tools that list images: no health check
//! reads one.
//!
//! Source of the names: <https://github.com/opencontainers/image-spec/blob/main/annotations.md>.

use std::collections::{BTreeMap, BTreeSet};

use flowimage_model::Declaration;
use flowimage_model::reference::ImageReference;
use serde_json::{Map, Value, json};

use crate::flow::{FlowUnit, flows};
use crate::oci::Digest;

/// The flow's name, or that of the image that flows share.
pub const TITLE: &str = "org.opencontainers.image.title";
/// The flow's description: its documentation.
pub const DESCRIPTION: &str = "org.opencontainers.image.description";
/// Where the crate's source is.
pub const SOURCE: &str = "org.opencontainers.image.source";
/// The base, with its registry.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The digest by which a registry knows the base.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// The names of the flows in the image, with commas between them.
pub const FLOWS: &str = "dev.flowimage.flows";
/// The hash of each flow's declaration: JSON, by name.
pub const DECLARATIONS: &str = "dev.flowimage.declarations";
/// The JSON schema of each flow's parameters: JSON, by name.
pub const PARAMETERS: &str = "dev.flowimage.parameters";

/// How our own labels begin.
const OURS: &str = "dev.flowimage";

/// OCI's words that would be said of another image, where they are the base's.
const OF_ONE_IMAGE: [&str; 5] = [TITLE, DESCRIPTION, SOURCE, BASE_NAME, BASE_DIGEST];

/// What is said of a flow's image, before anything is built; of one that flows share, what holds for all of them.
pub fn of_flow(unit: &FlowUnit) -> BTreeMap<String, String> {
    if unit.declaration.image.is_none() {
        return of_flows(unit, &[unit]);
    }
    // A program whose flows cannot be read does not come this far.
    let all = flows().unwrap_or_default();
    let shares = |it: &&FlowUnit| {
        it.entry.package == unit.entry.package && it.declaration.image == unit.declaration.image
    };
    of_flows(unit, &all.iter().filter(shares).collect::<Vec<_>>())
}

/// The same, given all flows in the image.
fn of_flows(unit: &FlowUnit, inside: &[&FlowUnit]) -> BTreeMap<String, String> {
    let declaration = &unit.declaration;
    let mut labels = BTreeMap::new();
    let mut label = |name: &str, value: String| drop(labels.insert(name.to_owned(), value));
    match &declaration.image {
        Some(group) => label(TITLE, group.to_string()),
        None => {
            label(TITLE, declaration.name.to_string());
            if let Some(description) = &declaration.description {
                label(DESCRIPTION, description.clone());
            }
        }
    }
    if !unit.entry.repository.is_empty() {
        label(SOURCE, unit.entry.repository.to_owned());
    }
    let names: BTreeSet<&str> = inside.iter().map(|unit| unit.entry.name).collect();
    label(FLOWS, names.into_iter().collect::<Vec<_>>().join(","));
    let by_name = |value: &dyn Fn(&FlowUnit) -> Value| {
        let pairs = inside
            .iter()
            .map(|unit| (unit.entry.name.to_owned(), value(unit)));
        Value::Object(pairs.collect::<Map<_, _>>()).to_string()
    };
    label(DECLARATIONS, by_name(&|unit| json!(unit.declaration_hash())));
    label(PARAMETERS, by_name(&|unit| unit.entry.parameters_schema()));
    labels
}

/// What is said of the base.
pub fn of_base(reference: &str, digest: Option<&Digest>) -> BTreeMap<String, String> {
    let full = reference
        .parse::<ImageReference>()
        .map_or_else(|_| reference.to_owned(), |reference| reference.canonical());
    let mut labels = BTreeMap::from([(BASE_NAME.to_owned(), full)]);
    if let Some(digest) = digest {
        labels.insert(BASE_DIGEST.to_owned(), digest.to_string());
    }
    labels
}

/// All labels of an image: those of the base but what it says of itself alone, over them ours, over OCI's the author's.
pub fn of_image(
    base: BTreeMap<String, String>,
    ours: &BTreeMap<String, String>,
    declaration: &Declaration,
) -> BTreeMap<String, String> {
    let mut labels = base;
    labels.retain(|name, _| !name.starts_with(OURS) && !OF_ONE_IMAGE.contains(&name.as_str()));
    labels.extend(ours.clone());
    let declared = declaration.labels.iter();
    labels.extend(
        declared
            .map(|(name, value)| (name.to_string(), value.clone()))
            .filter(|(name, _)| !name.starts_with(OURS)),
    );
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_says_nothing_of_the_image_on_it_and_the_author_has_the_last_word() {
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            pairs.collect()
        };
        let declaration: Declaration = toml::from_str(
            "name = \"a\"\nbase_image = { declared = \"debian\" }\nflow_directory = \"/opt/flow\"\n\
             labels = { \"org.opencontainers.image.source\" = \"declared\", \"dev.flowimage.flows\" = \"no\" }\n",
        )
        .unwrap();
        let base = text(&[
            (DESCRIPTION, "a base"),
            ("org.opencontainers.image.vendor", "x"),
            ("dev.flowimage.declarations", "y"),
        ]);
        let ours = text(&[(TITLE, "a"), (SOURCE, "cargo"), (FLOWS, "a")]);
        assert_eq!(
            of_image(base, &ours, &declaration),
            text(&[
                ("org.opencontainers.image.vendor", "x"),
                (TITLE, "a"),
                (SOURCE, "declared"),
                (FLOWS, "a"),
            ])
        );
    }

    fn unit(name: &'static str, description: &str) -> FlowUnit {
        let declaration = format!(
            "name = \"{name}\"\nimage = \"etl\"\ndescription = \"{description}\"\nflow_directory = \"/opt/flow\"\n\
             base_image = {{ inferred = \"scratch\" }}\n"
        );
        let declaration: Declaration = toml::from_str(&declaration).unwrap();
        let entry = Box::leak(Box::new(crate::flow::FlowEntry {
            name,
            declaration: "",
            dockerfile: "",
            package: "p",
            repository: "https://example.org/p",
            crate_folder: "",
            dockerfile_path: "",
            optimized: false,
            settings: 0,
            parameters: crate::parameters::Parameters {
                fields: &[],
                open: false,
                whole: |_| None,
            },
            run: |_, _| Err(String::new()),
        }));
        let rendered = flowimage_model::render::render(&declaration);
        FlowUnit {
            entry,
            declaration,
            rendered,
        }
    }

    #[test]
    fn an_image_of_several_flows_says_the_same_whichever_is_built() {
        let (a, b) = (unit("a", "one"), unit("b", "two"));
        let labels = of_flows(&a, &[&a, &b]);
        assert_eq!(labels, of_flows(&b, &[&b, &a]));
        assert_eq!((&*labels[TITLE], &*labels[FLOWS]), ("etl", "a,b"));
        assert_eq!(labels[SOURCE], "https://example.org/p");
        assert!(!labels.contains_key(DESCRIPTION));
        let declarations: BTreeMap<String, Digest> = serde_json::from_str(&labels[DECLARATIONS]).unwrap();
        assert_eq!(
            declarations.into_values().collect::<Vec<_>>(),
            [a.declaration_hash(), b.declaration_hash()]
        );
    }

    #[test]
    fn a_base_is_named_in_full() {
        let digest = crate::oci::sha256(b"base");
        let labels = of_base("debian:12-slim", Some(&digest));
        assert_eq!(labels[BASE_NAME], "docker.io/library/debian:12-slim");
        assert_eq!(labels[BASE_DIGEST], digest.as_str());
        assert_eq!(of_base("local/x", None).len(), 1);
    }
}
