//! An image as the probes see it: its configuration, and its files without unpacking them.

use flowimage_model::Declaration;
use flowimage_model::render::binary_path;
use serde_json::Value;

use super::account::Account;
use super::layer::FileContent;
use super::root::ImageRoot;
use crate::elf::{Distribution, Elf, RootFiles};
use crate::flow::FlowUnit;
use crate::layer::LayerBuilder;
use crate::oci::{self, Digest};

/// What every probe is handed. Labels are not among it: they say what somebody meant, not what is.
pub(crate) struct Seen<'a> {
    pub(crate) unit: &'a FlowUnit,
    pub(crate) expected: Expected,
    pub(crate) root: ImageRoot,
    pub(crate) config: Config,
    /// The user in numbers; the error where the image does not know its own user.
    pub(crate) account: Result<Account, String>,
    /// The flow binary's path.
    pub(crate) program: String,
    pub(crate) distribution: Option<Distribution>,
}

/// What this machine knows that the image should hold.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Digest of the flow binary's code and constants.
    pub(crate) code: Option<Digest>,
    /// Whether another build of the same flow is an error: the image is to be registered as made here.
    pub(crate) made_here: bool,
    /// The declared files; the error where they cannot be read here.
    pub(crate) files: Option<Result<LayerBuilder, String>>,
}

/// What a configuration says of how the image runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) architecture: String,
    pub(crate) user: String,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) working_directory: String,
}

impl Config {
    /// Reads `config` of an image configuration.
    pub(crate) fn read(config: &Value, architecture: &str) -> Self {
        let text = |key: &str| oci::config::text(config, key).unwrap_or_default().to_owned();
        Self {
            architecture: architecture.to_owned(),
            user: text("User"),
            environment: oci::config::variables(config),
            entrypoint: oci::config::entrypoint(config),
            working_directory: text("WorkingDir"),
        }
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let pair = self.environment.iter().rev().find(|(known, _)| known == name)?;
        Some(&pair.1)
    }
}

impl<'a> Seen<'a> {
    pub(crate) fn new(unit: &'a FlowUnit, expected: Expected, root: ImageRoot, config: Config) -> Self {
        let root = root.searching(config.variable("LD_LIBRARY_PATH"));
        let os_release = root
            .text("/etc/os-release")
            .or_else(|| root.text("/usr/lib/os-release"));
        Self {
            unit,
            expected,
            account: Account::of(&config.user, &root),
            program: binary_path(&unit.declaration),
            distribution: Distribution::of(&os_release.unwrap_or_default()),
            root,
            config,
        }
    }

    pub(crate) fn declaration(&self) -> &Declaration {
        &self.unit.declaration
    }

    /// The flow binary, where it is a program.
    pub(crate) fn binary(&self) -> Option<(&FileContent, &Elf)> {
        let content = self.root.file(&self.program)?;
        Some((content, content.elf.as_deref()?))
    }

    /// Where a program of this name is found on the image's `PATH`, whoever may run it.
    pub(crate) fn on_path(&self, name: &str) -> Option<String> {
        let path = self
            .config
            .variable("PATH")
            .unwrap_or("/usr/local/bin:/usr/bin:/bin");
        path.split(':')
            .filter(|folder| !folder.is_empty())
            .map(|folder| format!("{}/{name}", folder.trim_end_matches('/')))
            .find(|path| self.root.file(path).is_some_and(|_| self.root.exists(path)))
    }

    /// The line of the declaration that adds a system package to those declared.
    pub(crate) fn add_package(&self, package: &str) -> String {
        let declaration = self.declaration();
        let mut packages: Vec<_> = declaration
            .system_dependencies
            .iter()
            .map(|known| known.as_str())
            .collect();
        packages.push(package);
        let packages: Vec<_> = packages.iter().map(|package| format!("\"{package}\"")).collect();
        let line = format!("add system_dependencies = [{}]", packages.join(", "));
        use flowimage_model::declaration::{Base, BaseImage};
        if declaration.base_image == BaseImage::Declared(Base::Scratch) {
            return format!("{line}, and remove base_image = \"scratch\", which has no packages");
        }
        line
    }
}
