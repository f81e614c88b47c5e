//! Engines behind ssh: a socket of our own, each connection to which is one `ssh HOST docker system dial-stdio`.
//!
//! bollard's own way accepts any host key it has not seen, and knows no port. Here ssh's configuration decides.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{ChildStderr, Command};
use tokio::task::JoinHandle;

use crate::engine::{SshFault, SshHost};

/// How much of ssh's last words is kept.
const WORDS: u64 = 4096;

/// The socket, as long as this lives.
#[derive(Debug)]
pub(super) struct Tunnel {
    folder: TempDir,
    listening: JoinHandle<()>,
    last_words: Arc<Mutex<LastWords>>,
}

/// What the last ssh that ended unhappily said.
#[derive(Clone, Debug, Default)]
struct LastWords {
    said: String,
    no_program: bool,
}

impl Tunnel {
    /// Makes the socket; ssh is started with the first connection.
    pub(super) fn open(host: &SshHost) -> io::Result<Self> {
        // Only we may enter the folder, so only we reach the engine through it.
        let folder = tempfile::Builder::new().prefix("flowimage-ssh-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join("engine.sock"))?;
        let last_words = Arc::new(Mutex::new(LastWords::default()));
        let (host, words) = (host.clone(), last_words.clone());
        let listening = tokio::spawn(async move {
            // Ends with the tunnel, and with it every ssh.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, host.clone(), words.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            folder,
            listening,
            last_words,
        })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// Why there was no answer, in our words and in ssh's last line.
    pub(super) fn fault(&self) -> (SshFault, String) {
        let words = match self.last_words.lock() {
            Ok(words) => words.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        };
        let mut lines = words.said.lines().map(str::trim);
        let last = lines.rfind(|line| !line.is_empty());
        let fault = match words.no_program {
            true => SshFault::NoProgram,
            false => fault_of(&words.said),
        };
        (fault, last.unwrap_or("it said nothing").to_owned())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// ssh has one exit status for all that goes wrong with it; its words tell more.
fn fault_of(said: &str) -> SshFault {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&[
        "Host key verification failed",
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
    ]) {
        SshFault::HostKey
    } else if has(&["Permission denied (", "Too many authentication failures"]) {
        SshFault::Refused
    } else if has(&[
        "Could not resolve hostname",
        "ssh: connect to host",
        "kex_exchange_identification",
        "Connection timed out",
    ]) {
        SshFault::Dead
    } else if has(&[
        "docker: command not found",
        "docker: not found",
        "docker: No such file",
    ]) {
        SshFault::NoDocker
    } else {
        SshFault::NoEngine
    }
}

/// Carries one connection until both sides have ended.
async fn connection(stream: UnixStream, host: SshHost, last_words: Arc<Mutex<LastWords>>) {
    let keep = |words| {
        if let Ok(mut last) = last_words.lock() {
            *last = words;
        }
    };
    let mut ssh = match command(&host).spawn() {
        Ok(ssh) => ssh,
        Err(error) => {
            return keep(LastWords {
                said: error.to_string(),
                no_program: true,
            });
        }
    };
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) =
        (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take())
    else {
        return;
    };
    let (mut from_us, mut to_us) = stream.into_split();
    let there = async {
        let _ = tokio::io::copy(&mut from_us, &mut stdin).await;
        drop(stdin);
    };
    let back = async {
        let (_, said) = tokio::join!(tokio::io::copy(&mut stdout, &mut to_us), last_words_of(stderr));
        if !ssh.wait().await.is_ok_and(|status| status.success()) {
            keep(LastWords {
                said,
                no_program: false,
            });
        }
        // Last: whoever sees the end asks for the words.
        let _ = to_us.shutdown().await;
    };
    tokio::join!(there, back);
}

/// What is written until the end, as far as it is kept.
async fn last_words_of(stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let mut words = stderr.take(WORDS);
    let _ = words.read_to_end(&mut said).await;
    // The rest is not kept, but ssh must not wait for somebody to read it.
    let _ = tokio::io::copy(words.get_mut(), &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&said).into_owned()
}

fn command(host: &SshHost) -> Command {
    let mut ssh = Command::new("ssh");
    // Nobody is there to answer a question, and a host that is gone must not be waited for for minutes.
    ssh.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]);
    if let Some(user) = &host.user {
        ssh.args(["-l", user]);
    }
    if let Some(port) = host.port {
        ssh.args(["-p", &port.to_string()]);
    }
    ssh.args(["--", &host.host, "docker", "system", "dial-stdio"]);
    ssh.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    ssh.kill_on_drop(true);
    ssh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_are_understood() {
        for (said, fault) in [
            (
                "No ED25519 host key is known for [127.0.0.1]:2 and you have requested strict checking.\r\n\
                 Host key verification failed.\r\n",
                SshFault::HostKey,
            ),
            (
                "root@127.0.0.1: Permission denied (publickey).\r\n",
                SshFault::Refused,
            ),
            (
                "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n",
                SshFault::Dead,
            ),
            (
                "ssh: Could not resolve hostname nowhere: Name or service not known\r\n",
                SshFault::Dead,
            ),
            ("bash: line 1: docker: command not found\n", SshFault::NoDocker),
            ("sh: 1: docker: not found\n", SshFault::NoDocker),
            (
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
                SshFault::NoEngine,
            ),
        ] {
            assert_eq!(fault_of(said), fault, "{said}");
        }
    }
}
