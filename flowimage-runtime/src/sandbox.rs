//! Runs a command in an unpacked image without an engine, in a sandbox of the system: no network, own processes,
//! a user without rights, a time limit, bounded output.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// Bytes kept of each output.
const OUTPUT_LIMIT: usize = 64 << 10;

/// The tool that makes the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Bubblewrap,
    Unshare,
}

/// A sandbox that was seen to work on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox {
    tool: Tool,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Probe<'a> {
    /// The unpacked root.
    pub root: &'a Path,
    /// Program and arguments, as paths of the root.
    pub command: Vec<String>,
    /// The environment, whole.
    pub environment: Vec<(String, String)>,
    /// User and group.
    pub user: u32,
    /// After this time everything in the sandbox is killed.
    pub limit: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit status; `None` where a signal ended it, or the time was up.
    pub status: Option<i32>,
    /// Standard output, its first 64 KiB.
    pub stdout: Vec<u8>,
    /// Standard error, its first 64 KiB.
    pub stderr: Vec<u8>,
    /// Whether the time was up.
    pub timed_out: bool,
}

impl Sandbox {
    /// The first tool that works here.
    ///
    /// # Errors
    /// Why each tool does not.
    pub async fn detect() -> Result<Self, String> {
        let mut reasons = Vec::new();
        for tool in [Tool::Bubblewrap, Tool::Unshare] {
            let sandbox = Self { tool };
            let probe = Probe {
                root: Path::new("/"),
                command: vec!["/bin/true".to_owned()],
                environment: Vec::new(),
                user: 65532,
                limit: Duration::from_secs(10),
            };
            match sandbox.run(&probe).await {
                Ok(outcome) if outcome.status == Some(0) => return Ok(sandbox),
                Ok(outcome) => reasons.push(format!(
                    "{}: {}",
                    tool.program(),
                    String::from_utf8_lossy(&outcome.stderr)
                        .lines()
                        .next()
                        .unwrap_or("it failed")
                )),
                Err(error) => reasons.push(format!("{}: {error}", tool.program())),
            }
        }
        Err(reasons.join("; "))
    }

    /// The tool's name, for reports.
    pub fn name(self) -> &'static str {
        self.tool.program()
    }

    /// Runs a command to its end or its limit.
    ///
    /// # Errors
    /// The tool cannot be started.
    pub async fn run(self, probe: &Probe<'_>) -> std::io::Result<Outcome> {
        let mut command = Command::new(self.tool.program());
        command
            .args(self.tool.arguments(probe))
            .env_clear()
            .envs(probe.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async { tokio::join!(bounded(stdout), bounded(stderr), child.wait()) };
        match tokio::time::timeout(probe.limit, work).await {
            Ok((stdout, stderr, status)) => Ok(Outcome {
                status: status?.code(),
                stdout,
                stderr,
                timed_out: false,
            }),
            Err(_) => {
                // The tool's end takes its process namespace, and so every process in it.
                child.kill().await?;
                Ok(Outcome {
                    status: None,
                    stdout: Vec::new(),
                    stderr: Vec::new(),
                    timed_out: true,
                })
            }
        }
    }
}

impl Tool {
    fn program(self) -> &'static str {
        match self {
            Tool::Bubblewrap => "/usr/bin/bwrap",
            Tool::Unshare => "/usr/bin/unshare",
        }
    }

    fn arguments(self, probe: &Probe<'_>) -> Vec<OsString> {
        let user = probe.user.to_string();
        let root = PathBuf::from(probe.root).into_os_string();
        let mut arguments: Vec<OsString> = match self {
            Tool::Bubblewrap => {
                let mut all: Vec<OsString> = [
                    "--unshare-all",
                    "--unshare-user",
                    "--die-with-parent",
                    "--new-session",
                ]
                .map(OsString::from)
                .into();
                all.extend(
                    ["--cap-drop", "ALL", "--uid", &user, "--gid", &user, "--ro-bind"].map(OsString::from),
                );
                all.extend([root, "/".into()]);
                for (option, folder) in [("--tmpfs", "/tmp"), ("--proc", "/proc"), ("--dev", "/dev")] {
                    if probe.root.join(&folder[1..]).is_dir() {
                        all.extend([OsString::from(option), folder.into()]);
                    }
                }
                all.extend(["--chdir", "/", "--"].map(OsString::from));
                all
            }
            Tool::Unshare => {
                let mut all: Vec<OsString> = [
                    "--user",
                    "--mount",
                    "--pid",
                    "--net",
                    "--ipc",
                    "--uts",
                    "--fork",
                    "--kill-child",
                ]
                .map(OsString::from)
                .into();
                all.push(format!("--map-user={user}").into());
                all.push(format!("--map-group={user}").into());
                let mut option = OsString::from("--root=");
                option.push(root);
                all.extend([option, "--wd=/".into(), "--".into()]);
                all
            }
        };
        arguments.extend(probe.command.iter().map(OsString::from));
        arguments
    }
}

/// The first bytes of a stream; the rest is read and dropped, so that the writer does not block.
async fn bounded(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return kept };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let room = OUTPUT_LIMIT - kept.len();
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    kept
}
