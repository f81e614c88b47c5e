//! Flows as the program knows them: their entry, their parameters, how they are run.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use flowimage_model::Declaration;
use flowimage_model::render::{Rendered, render};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::given::Given;
use crate::parameters::Parameters;
use crate::task::Observer;

/// A unit of work whose fields are its parameters.
///
/// ```
/// # use flowimage_runtime::flow::{Flow, FlowContext};
/// #[derive(serde::Deserialize)]
/// struct Orders { day: String }
///
/// impl Flow for Orders {
///     type Output = usize;
///     type Error = String;
///
///     async fn run(self, _context: &FlowContext) -> Result<usize, String> {
///         Ok(self.day.len())
///     }
/// }
/// ```
#[allow(async_fn_in_trait, reason = "a flow runs on the thread that waits for it")]
pub trait Flow: DeserializeOwned {
    /// What a run gives; printed as JSON.
    type Output: Serialize;
    /// Why a run failed.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>>;

    /// Does the work.
    ///
    /// # Errors
    /// Whatever the flow calls a failure: the run ends as failed, with the error's chain.
    async fn run(self, context: &FlowContext) -> Result<Self::Output, Self::Error>;
}

/// A type whose image is declared: what `#[derive(FlowImage)]` gives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not derive `FlowImage`",
    label = "no `#[derive(FlowImage)]` here",
    note = "add `#[derive(FlowImage)]` to it, beside `#[flow_image(…)]`"
)]
pub trait FlowImage {
    /// The flow's name.
    const NAME: &'static str;
    /// The whole Dockerfile of the flow's image.
    const DOCKERFILE: &'static str;
}

/// What a flow may ask of the run it is in.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FlowContext {
    /// The flow's name.
    pub flow: String,
    /// Who is told of the flow's tasks; nobody, where it runs by itself.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl FlowContext {
    /// The context of a run of this flow that nobody watches.
    pub fn new(flow: impl Into<String>) -> Self {
        Self {
            flow: flow.into(),
            observer: None,
        }
    }
}

/// Why a flow's run failed: the error's message and those of its causes, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// The messages; never empty.
    pub chain: Vec<String>,
}

impl FlowError {
    /// The chain of an error.
    pub fn new(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push(cause.to_string());
            source = cause.source();
        }
        Self { chain }
    }
}

impl std::fmt::Display for FlowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.chain.join(": "))
    }
}

impl std::error::Error for FlowError {}

/// What the macros call: parameters in, JSON out. Every [`Flow`] has it; a flow that is a function gets its own.
#[doc(hidden)]
#[allow(async_fn_in_trait, reason = "a flow runs on the thread that waits for it")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` derives `FlowImage` but is no flow",
    note = "implement `flowimage::Flow` for it"
)]
pub trait Run: DeserializeOwned {
    /// Runs the flow.
    async fn run(self, context: &FlowContext) -> Result<Value, FlowError>;
}

impl<T: Flow> Run for T {
    async fn run(self, context: &FlowContext) -> Result<Value, FlowError> {
        outcome(Flow::run(self, context).await)
    }
}

/// The outcome of a flow as JSON, or its error as text.
fn outcome<T: Serialize, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    outcome: Result<T, E>,
) -> Result<Value, FlowError> {
    match outcome {
        Ok(value) => serde_json::to_value(value).map_err(|error| FlowError {
            chain: vec!["the flow's result is no JSON".to_owned(), error.to_string()],
        }),
        Err(error) => Err(FlowError::new(&*error.into())),
    }
}

/// A run under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Value, FlowError>> + 'a>>;

/// Starts a flow of this type; parameters that do not fit are an error before anything runs.
#[doc(hidden)]
pub fn run<T: Run + 'static>(given: Given, context: &FlowContext) -> Result<Running<'_>, String> {
    let flow: T = given.whole()?;
    Ok(Box::pin(flow.run(context)))
}

/// The run of a flow that is a function with a `Result`.
#[doc(hidden)]
pub fn fallible<'a, T: Serialize, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    call: impl Future<Output = Result<T, E>> + 'a,
) -> Result<Running<'a>, String> {
    Ok(Box::pin(async { outcome(call.await) }))
}

/// The run of a flow that is a function with any other result.
#[doc(hidden)]
pub fn infallible<'a, T: Serialize>(call: impl Future<Output = T> + 'a) -> Result<Running<'a>, String> {
    fallible(async { Ok::<T, String>(call.await) })
}

/// What the derive leaves of a flow in the program.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct FlowEntry {
    /// The flow's name.
    pub name: &'static str,
    /// The declaration, as TOML.
    pub declaration: &'static str,
    /// The Dockerfile, whole.
    pub dockerfile: &'static str,
    /// The package that declares it.
    pub package: &'static str,
    /// Where the package says that its source is, or empty.
    pub repository: &'static str,
    /// The package's folder: relative to its workspace's root, or absolute outside of one.
    pub crate_folder: &'static str,
    /// Path of the user's Dockerfile, relative to the crate, or empty.
    pub dockerfile_path: &'static str,
    /// Fingerprint of what `flowimage.toml` said of it.
    pub settings: u64,
    /// Whether the flow's crate was compiled without debug assertions, as release profiles are.
    pub optimized: bool,
    /// Its parameters; see [`FlowEntry::parameters_schema`].
    pub parameters: Parameters,
    /// Runs the flow; see [`FlowEntry::start`].
    pub run: fn(Given, &FlowContext) -> Result<Running<'_>, String>,
}

impl FlowEntry {
    /// The JSON schema of the flow's parameters: an object that takes no others, with docs and defaults.
    pub fn parameters_schema(&self) -> Value {
        self.parameters.schema()
    }

    /// Starts the flow.
    ///
    /// # Errors
    /// Parameters that do not fit, before anything runs.
    pub fn start<'a>(&self, parameters: Value, context: &'a FlowContext) -> Result<Running<'a>, String> {
        (self.run)(Given::new(parameters, self.parameters), context)
    }
}

/// An entry on its way into the list that the linker keeps.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Registered(pub &'static FlowEntry);

inventory::collect!(Registered);

/// A flow of this program, its declaration read.
#[derive(Clone, Debug)]
pub struct FlowUnit {
    /// What the derive left.
    pub entry: &'static FlowEntry,
    /// The declaration.
    pub declaration: Declaration,
    /// Its Dockerfile.
    pub rendered: Rendered,
}

/// All flows linked into this program, by name. They are read once.
///
/// # Errors
/// Two flows of one name, or of one image that they say different things of; a declaration that this version of flowimage
/// cannot read.
pub fn flows() -> Result<&'static [FlowUnit], &'static str> {
    static ALL: OnceLock<Result<Vec<FlowUnit>, String>> = OnceLock::new();
    let all = ALL.get_or_init(read).as_ref();
    all.map(Vec::as_slice).map_err(String::as_str)
}

fn read() -> Result<Vec<FlowUnit>, String> {
    let mut flows = Vec::new();
    for Registered(entry) in inventory::iter::<Registered> {
        let mut declaration: Declaration = toml::from_str(entry.declaration)
            .map_err(|error| format!("the declaration of `{}` cannot be read: {error}", entry.name))?;
        if let Some(dockerfile) = &mut declaration.dockerfile {
            dockerfile.text = entry
                .dockerfile
                .get(..dockerfile.length)
                .unwrap_or_default()
                .to_owned();
        }
        let rendered = render(&declaration);
        flows.push(FlowUnit {
            entry,
            declaration,
            rendered,
        });
    }
    flows.sort_by_key(|flow| flow.entry.name);
    let declared: Vec<_> = flows
        .iter()
        .map(|flow| (flow.entry.package, &flow.declaration))
        .collect();
    let mistakes = flowimage_model::together::check(&declared);
    if !mistakes.is_empty() {
        return Err(mistakes.join("\nerror: "));
    }
    Ok(flows)
}

impl FlowEntry {
    /// Program and arguments that are run in place of the function; none where `exec` is not declared.
    pub fn exec(&self) -> Vec<String> {
        // A declaration that cannot be read is no program's: `flows` says so first.
        toml::from_str::<Declaration>(self.declaration)
            .map(|declaration| declaration.exec)
            .unwrap_or_default()
    }
}

impl FlowUnit {
    /// The hash of the declaration, the same for every spelling of it.
    pub fn declaration_hash(&self) -> crate::oci::Digest {
        let mut text = serde_json::to_vec(&self.declaration).unwrap_or_default();
        text.extend(self.rendered.text.as_bytes());
        crate::oci::sha256(&text)
    }
}
