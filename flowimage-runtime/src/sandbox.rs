//! Runs a command in an unpacked image without an engine, in a sandbox of the system: no network, own processes,
//! a user without rights, a time limit, bounded output.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
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
    /// The tool and what starts it are programs of this machine, outside the sandbox: nothing of the image's
    /// environment may reach them, or a library that an image names in `LD_PRELOAD` would be loaded out here.
    ///
    /// # Errors
    /// The tool cannot be started, or cannot keep the environment to itself.
    pub async fn run(self, probe: &Probe<'_>) -> io::Result<Outcome> {
        let arguments = self.tool.arguments(probe)?;
        let mut command = Command::new(LIMITER);
        command
            .args(LIMITS)
            .arg("--")
            .arg(self.tool.program())
            .args(arguments)
            .env_clear()
            .envs(
                self.tool
                    .environment(probe)
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
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

    /// What is passed on by way of the tool's own environment.
    fn environment<'a>(self, probe: &'a Probe<'_>) -> &'a [(String, String)] {
        match self {
            Tool::Bubblewrap => &[],
            Tool::Unshare => &probe.environment,
        }
    }

    fn arguments(self, probe: &Probe<'_>) -> io::Result<Vec<OsString>> {
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
                    if is_folder(probe.root, folder) {
                        all.extend(options.iter().map(OsString::from));
                        all.push(folder.into());
                    }
                }
                for (name, value) in probe.environment.iter().filter(|(name, _)| !name.is_empty()) {
                    all.extend(["--setenv", name, value].map(OsString::from));
                }
                all.extend(["--chdir", here, "--"].map(OsString::from));
                all
            }
            Tool::Unshare => {
                if let Some((name, _)) = probe.environment.iter().find(|(name, _)| acts_on_programs(name)) {
                    return Err(io::Error::other(format!(
                        "the image sets {name}, which unshare would obey itself"
                    )));
                }
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
                if is_folder(probe.root, "/proc") {
                    all.push("--mount-proc".into());
                }
                let mut option = OsString::from("--root=");
                option.push(root);
                all.extend([option, format!("--wd={here}").into(), "--".into()]);
                all
            }
        };
        arguments.extend(probe.command.iter().map(OsString::from));
        Ok(arguments)
    }
}

/// Whether a path of the root is a folder, and no link to one.
fn is_folder(root: &Path, path: &str) -> bool {
    fs::symlink_metadata(root.join(path.trim_start_matches('/'))).is_ok_and(|found| found.is_dir())
}

/// Whether the loader or the C library of any program obeys a variable: what they drop where they are careful.
///
/// Source: glibc's `unsecure_envvars`.
fn acts_on_programs(name: &str) -> bool {
    name.starts_with("LD_")
        || name.starts_with("MALLOC_")
        || ["GCONV_PATH", "GLIBC_TUNABLES", "LOCPATH", "NLSPATH"].contains(&name)
}

/// Makes what a container's runtime makes in every root: the places where the kernel's file systems are mounted.
/// `/dev/null` is a plain file for the tool that cannot make devices.
///
/// # Errors
/// Those of the file system.
pub fn prepare(root: &Path) -> io::Result<()> {
    for folder in ["proc", "sys", "dev"] {
        let place = root.join(folder);
        if fs::symlink_metadata(&place).is_err() {
            fs::create_dir(&place)?;
            fs::set_permissions(&place, Permissions::from_mode(0o755))?;
        }
    }
    let null = root.join("dev/null");
    if is_folder(root, "/dev") && fs::symlink_metadata(&null).is_err() {
        fs::write(&null, "")?;
        fs::set_permissions(&null, Permissions::from_mode(0o666))?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script of the shell in this machine's own root.
    async fn run(tool: Tool, script: &str, environment: &[(&str, &str)]) -> io::Result<Outcome> {
        let probe = Probe {
            root: Path::new("/"),
            command: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            user: 65532,
            working_directory: String::new(),
            network: false,
            limit: Duration::from_secs(10),
            output: 4 << 10,
        };
        Sandbox { tool }.run(&probe).await
    }

    #[tokio::test]
    async fn the_environment_reaches_the_command_and_nothing_else() {
        let environment = [
            ("LD_PRELOAD", "/nonexistent.so"),
            ("WORDS", "a $b=c"),
            ("", "no name"),
        ];
        let ran = run(Tool::Bubblewrap, "echo \"$LD_PRELOAD $WORDS\"", &environment)
            .await
            .unwrap();
        assert_eq!(ran.stdout.text(), "/nonexistent.so a $b=c\n", "{ran:?}");
        // The loader says so in each program that it starts.
        assert_eq!(ran.stderr.text().matches("/nonexistent.so").count(), 1, "{ran:?}");
        let refused = run(Tool::Unshare, "true", &environment).await.unwrap_err();
        assert!(refused.to_string().contains("LD_PRELOAD"), "{refused}");
    }

    #[tokio::test]
    async fn both_tools_show_the_sandbox_and_not_the_machine() {
        for tool in [Tool::Bubblewrap, Tool::Unshare] {
            let script =
                "test -e /proc/self/exe && ls /proc | grep -c '^[0-9]*$'; echo gone > /dev/null; echo $HOME";
            let ran = run(tool, script, &[("HOME", "/home/flow"), ("PATH", "/usr/bin:/bin")])
                .await
                .unwrap();
            let text = ran.stdout.text();
            let mut lines = text.lines();
            let processes: usize = lines.next().unwrap_or_default().parse().unwrap_or(usize::MAX);
            assert!(processes < 10, "{tool:?}: {ran:?}");
            assert_eq!(lines.next(), Some("/home/flow"), "{tool:?}: {ran:?}");
        }
    }

    #[test]
    fn mount_points_are_made_and_nothing_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", root.path().join("dev")).unwrap();
        prepare(root.path()).unwrap();
        assert!(is_folder(root.path(), "/proc") && is_folder(root.path(), "/sys"));
        assert!(!is_folder(root.path(), "/dev"));
        assert_eq!(fs::read_link(root.path().join("dev")).unwrap(), Path::new("/etc"));
    }
}
