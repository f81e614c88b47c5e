//! From a declaration to the text of its Dockerfile: complete, readable, the same on every machine.
//!
//! What only the machine knows is staged beside the text below `.flowimage/` (the flow binary, files under their
//! destination, what the binary needs on its base), or stands in an `ARG` with a default. Nothing here is newer
//! than Docker Engine 20.10's built-in frontend.

mod packages;

use crate::declaration::{Base, Declaration, Libraries};
use crate::dockerfile::Dockerfile;
use crate::escape;

/// Folder of the build context that holds everything flowimage stages.
pub const STAGED: &str = ".flowimage";

/// The user a flow runs as where nobody says otherwise: no account of any distribution has this number.
pub const DEFAULT_USER: &str = "65532:65532";

/// The `ARG` that carries the base's own user, where it has one.
pub const USER_ARGUMENT: &str = "FLOWIMAGE_USER";

/// A rendered Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The whole text.
    pub text: String,
    /// Length in bytes of the environment: all but labels and the flow's own part, which flows that share an
    /// environment have each for themselves.
    pub environment: usize,
    /// Which lines came from which key.
    pub parts: Vec<Part>,
}

/// The lines that one key was rendered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The key, or `flow` for the last part.
    pub key: &'static str,
    /// First line, from 1.
    pub first_line: usize,
    /// Last line.
    pub last_line: usize,
}

impl Rendered {
    /// The text of the environment alone.
    pub fn environment_text(&self) -> &str {
        &self.text[..self.environment]
    }

    /// The key that a line of the text came from.
    pub fn key_of_line(&self, line: usize) -> Option<&'static str> {
        self.parts
            .iter()
            .find(|part| (part.first_line..=part.last_line).contains(&line))
            .map(|part| part.key)
    }
}

/// Writes the Dockerfile of a declaration. What changes least comes first, so that caches hold.
pub fn render(declaration: &Declaration) -> Rendered {
    write(declaration, Caches::Without)
}

/// The environment's text for a builder with cache mounts: what package managers download is kept between builds.
/// Line by line it does what [`Rendered::environment_text`] does, and leaves the same behind.
pub fn environment_with_caches(declaration: &Declaration) -> String {
    let Rendered {
        mut text,
        environment,
        ..
    } = write(declaration, Caches::Mounted);
    text.truncate(environment);
    text
}

/// Whether steps may keep their downloads for later builds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caches {
    Without,
    Mounted,
}

fn write(declaration: &Declaration, caches: Caches) -> Rendered {
    let mut page = Page::default();
    match &declaration.dockerfile {
        Some(dockerfile) => page.dockerfile(&dockerfile.text),
        None => page.base(declaration),
    }
    let runs = declaration.needs_run().is_some();
    if runs && needs_account(declaration) {
        page.part("user", |text| text.push_str(ACCOUNT));
    }
    if runs && !declaration.build_args.is_empty() {
        page.part("build_args", |text| {
            for (name, value) in &declaration.build_args {
                text.push_str(&format!("ARG {name}={}\n", escape::env_value(value)));
            }
        });
    }
    if !declaration.system_dependencies.is_empty() {
        page.part("system_dependencies", |text| {
            packages::system(declaration, caches == Caches::Mounted, text)
        });
    }
    if !declaration.python_dependencies.is_empty() {
        page.part("python_dependencies", |text| {
            packages::python(declaration, caches == Caches::Mounted, text)
        });
    }
    if !declaration.files.is_empty() {
        page.part("files", |text| files(declaration, text));
    }
    if !declaration.env_vars.is_empty() {
        page.part("env_vars", |text| {
            let pairs = declaration
                .env_vars
                .iter()
                .map(|(name, value)| format!("{name}={}", escape::env_value(value.as_str())));
            instruction("ENV", pairs, text);
        });
    }
    if !declaration.extra_dockerfile_commands.is_empty() {
        page.part("extra_dockerfile_commands", |text| {
            if runs {
                text.push_str("USER 0:0\n");
            }
            for command in &declaration.extra_dockerfile_commands {
                text.push_str(&packages::with_secrets(command.trim(), declaration));
                text.push('\n');
            }
        });
    }
    let environment = page.text.len();
    if !declaration.labels.is_empty() {
        page.part("labels", |text| {
            let pairs = declaration
                .labels
                .iter()
                .map(|(key, value)| format!("{}={}", escape::literal(key.as_str()), escape::literal(value)));
            instruction("LABEL", pairs, text);
        });
    }
    page.part("flow", |text| flow(declaration, text));
    Rendered {
        text: page.text,
        environment,
        parts: page.parts,
    }
}

/// The flow binary's path in the image.
pub fn binary_path(declaration: &Declaration) -> String {
    format!("{}/flow", declaration.flow_directory)
}

/// Folder of the libraries in the image, where they are bundled.
pub fn library_folder(declaration: &Declaration) -> String {
    format!("{}/lib", declaration.flow_directory)
}

/// The loader in the image, where it is bundled; one name for every C library and architecture.
pub fn loader_path(declaration: &Declaration) -> String {
    format!("{}/loader", library_folder(declaration))
}

/// The words that start the flow binary.
pub fn entrypoint(declaration: &Declaration) -> Vec<String> {
    let binary = binary_path(declaration);
    match declaration.libraries {
        Libraries::Image => vec![binary],
        Libraries::Bundled => {
            let folder = library_folder(declaration);
            vec![
                loader_path(declaration),
                "--library-path".to_owned(),
                folder,
                binary,
            ]
        }
    }
}

/// The words after the entrypoint: the flow to run. An image that several flows share cannot know which, and lists
/// them.
pub fn command(declaration: &Declaration) -> Vec<&str> {
    match declaration.image {
        Some(_) => vec!["list"],
        None => vec!["run", declaration.name.as_str()],
    }
}

/// Where a file or folder lies in the build context: below its own destination, so that none collide.
pub fn staged_file(destination: &str) -> String {
    format!("{STAGED}/files{destination}")
}

/// Whether nobody says which user the flow runs as, before the base is asked.
fn needs_account(declaration: &Declaration) -> bool {
    declaration.user.is_none() && !declaration.dockerfile.as_ref().is_some_and(|it| it.sets_user)
}

/// Gives the default user a name and a home, unless the base brings a user of its own.
const ACCOUNT: &str = "\
ARG FLOWIMAGE_USER=65532:65532
USER 0:0
RUN set -eu; \\
    case \"$FLOWIMAGE_USER\" in 65532|65532:*) ;; *) exit 0 ;; esac; \\
    grep -q '^[^:]*:[^:]*:65532:' /etc/passwd \\
      || echo 'flow:x:65532:65532:flow:/home/flow:/bin/false' >> /etc/passwd; \\
    grep -q '^[^:]*:[^:]*:65532:' /etc/group || echo 'flow:x:65532:' >> /etc/group; \\
    mkdir -p /home/flow; chown 65532:65532 /home/flow; chmod 0755 /home/flow
";

#[derive(Default)]
struct Page {
    text: String,
    parts: Vec<Part>,
}

impl Page {
    fn next_line(&self) -> usize {
        self.text.matches('\n').count() + 1
    }

    /// The user's own text first and untouched: its directives count only on the first lines.
    fn dockerfile(&mut self, text: &str) {
        self.text.push_str(text);
        if !text.ends_with('\n') {
            self.text.push('\n');
        }
        self.parts.push(Part {
            key: "dockerfile",
            first_line: 1,
            last_line: self.next_line() - 1,
        });
    }

    fn base(&mut self, declaration: &Declaration) {
        // No name: flows with one environment have one text of it.
        self.text
            .push_str("# Written by flowimage from the declaration of a flow; each part names its key.\n");
        let base = declaration.base_image.base();
        self.part("base_image", |text| text.push_str(&format!("FROM {base}\n")));
    }

    fn part(&mut self, key: &'static str, write: impl FnOnce(&mut String)) {
        self.text.push('\n');
        let first_line = self.next_line();
        self.text.push_str(&format!("# {key}\n"));
        write(&mut self.text);
        self.parts.push(Part {
            key,
            first_line,
            last_line: self.next_line() - 1,
        });
    }
}

/// One instruction over several lines, so that a change shows as one line.
fn instruction(word: &str, arguments: impl Iterator<Item = String>, text: &mut String) {
    let arguments: Vec<_> = arguments.collect();
    text.push_str(word);
    text.push(' ');
    text.push_str(&arguments.join(" \\\n    "));
    text.push('\n');
}

fn files(declaration: &Declaration, text: &mut String) {
    for file in &declaration.files {
        let destination = file.destination.as_str();
        let slash = if file.folder && destination != "/" {
            "/"
        } else {
            ""
        };
        // A source is a pattern, a destination is not.
        let source = escape::copy_source(&format!("{}{slash}", staged_file(destination)));
        let words = [source, format!("{destination}{slash}")];
        text.push_str(&format!("COPY {}\n", escape::word_array(&words)));
    }
}

fn flow(declaration: &Declaration, text: &mut String) {
    let binary = binary_path(declaration);
    if declaration.needs_run().is_none() {
        text.push_str(&format!("COPY {STAGED}/rootfs/ /\n"));
    }
    if declaration.libraries == Libraries::Bundled {
        text.push_str(&format!("COPY {STAGED}/lib/ {}/\n", library_folder(declaration)));
    }
    text.push_str(&format!("COPY {STAGED}/flow {binary}\n"));
    if *declaration.base_image.base() == Base::Scratch && declaration.user.is_none() {
        text.push_str(&format!(
            "COPY --chown={DEFAULT_USER} {STAGED}/home/ /home/flow/\n"
        ));
        text.push_str("WORKDIR /home/flow\n");
    }
    match (&declaration.user, &declaration.dockerfile) {
        (Some(user), _) => text.push_str(&format!("USER {user}\n")),
        (None, Some(dockerfile)) if dockerfile.sets_user => {
            // The generated steps may have changed it; what the user's last stage said holds.
            if let Some(user) = Dockerfile::read(&dockerfile.text).final_user() {
                text.push_str(&format!("USER {user}\n"));
            }
        }
        _ => {
            if declaration.needs_run().is_none() {
                text.push_str(&format!("ARG {USER_ARGUMENT}={DEFAULT_USER}\n"));
            }
            text.push_str(&format!("USER ${{{USER_ARGUMENT}}}\n"));
        }
    }
    text.push_str(&format!(
        "ENTRYPOINT {}\n",
        escape::json_array(&entrypoint(declaration))
    ));
    text.push_str(&format!("CMD {}\n", escape::json_array(&command(declaration))));
}
