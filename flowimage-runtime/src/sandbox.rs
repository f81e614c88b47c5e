//! Runs a command in an unpacked image without an engine, in a sandbox of the system: no network, own processes,
//! a user without rights, a time limit, bounded output.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::captured::Captured;

/// Bytes of output at which a run is ended as a flood.
const FLOOD: u64 = 16 << 20;

/// Bytes of the memory-backed `/tmp`, where the tool can make one.
const TMP: &str = "67108864";

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
    /// Where it starts; `/` where this is empty.
    pub working_directory: String,
    /// Whether it sees the machine's network.
    pub network: bool,
    /// After this time everything in the sandbox is killed.
    pub limit: Duration,
    /// Bytes kept of each output: the first half and the last half.
    pub output: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit status; `None` where a signal ended it, or the time was up.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// Whether the time was up.
    pub timed_out: bool,
    /// Whether it was ended for its flood of output.
    pub flooded: bool,
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
                working_directory: String::new(),
                network: false,
                limit: Duration::from_secs(10),
                output: 4 << 10,
            };
            match sandbox.run(&probe).await {
                Ok(outcome) if outcome.status == Some(0) => return Ok(sandbox),
                Ok(outcome) => reasons.push(format!(
                    "{}: {}",
                    tool.program(),
                    outcome.stderr.text().lines().next().unwrap_or("it failed")
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
        let mut command = Command::new(LIMITER);
        command
            .args(LIMITS)
            .arg("--")
            .arg(self.tool.program())
            .args(self.tool.arguments(probe))
            .env_clear()
            .envs(probe.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut outcome = Outcome {
            status: None,
            stdout: Captured::new(probe.output),
            stderr: Captured::new(probe.output),
            timed_out: false,
            flooded: false,
        };
        let (out, err) = (&mut outcome.stdout, &mut outcome.stderr);
        let work = async { tokio::join!(bounded(stdout, out), bounded(stderr, err)) };
        match tokio::time::timeout(probe.limit, work).await {
            Ok((true, true)) => {}
            Ok(_) => outcome.flooded = true,
            Err(_) => outcome.timed_out = true,
        }
        if outcome.timed_out || outcome.flooded {
            // The tool's end takes its process namespace, and so every process in it.
            child.kill().await?;
        }
        match tokio::time::timeout(probe.limit, child.wait()).await {
            Ok(status) => outcome.status = status?.code(),
            Err(_) => {
                child.kill().await?;
                outcome.timed_out = true;
            }
        }
        Ok(outcome)
    }
}

/// Sets limits for what it starts; part of util-linux, as `unshare` is.
const LIMITER: &str = "/usr/bin/prlimit";

/// Bytes of one file and of private memory, seconds of processor time.
const LIMITS: [&str; 3] = ["--fsize=268435456", "--data=2147483648", "--cpu=900"];

impl Tool {
    fn program(self) -> &'static str {
        match self {
            Tool::Bubblewrap => "/usr/bin/bwrap",
            Tool::Unshare => "/usr/bin/unshare",
        }
    }

    fn arguments(self, probe: &Probe<'_>) -> Vec<OsString> {
        let user = probe.user.to_string();
        let here = match probe.working_directory.as_str() {
            "" => "/",
            folder => folder,
        };
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
                if probe.network {
                    all.push("--share-net".into());
                }
                for (options, folder) in [
                    (&["--size", TMP, "--tmpfs"][..], "/tmp"),
                    (&["--proc"], "/proc"),
                    (&["--dev"], "/dev"),
                ] {
                    if probe.root.join(&folder[1..]).is_dir() {
                        all.extend(options.iter().map(OsString::from));
                        all.push(folder.into());
                    }
                }
                all.extend(["--chdir", here, "--"].map(OsString::from));
                all
            }
            Tool::Unshare => {
                let mut all: Vec<OsString> = [
                    "--user",
                    "--mount",
                    "--pid",
                    "--ipc",
                    "--uts",
                    "--fork",
                    "--kill-child",
                ]
                .map(OsString::from)
                .into();
                all.push(format!("--map-user={user}").into());
                all.push(format!("--map-group={user}").into());
                if !probe.network {
                    all.push("--net".into());
                }
                let mut option = OsString::from("--root=");
                option.push(root);
                all.extend([option, format!("--wd={here}").into(), "--".into()]);
                all
            }
        };
        arguments.extend(probe.command.iter().map(OsString::from));
        arguments
    }
}

/// Takes a stream in to its end; `false` where there was no end to it.
async fn bounded(stream: Option<impl AsyncRead + Unpin>, captured: &mut Captured) -> bool {
    let Some(mut stream) = stream else { return true };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        captured.push(&buffer[..read]);
        if captured.seen() > FLOOD {
            return false;
        }
    }
    true
}
