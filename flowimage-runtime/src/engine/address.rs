//! An engine's address.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::EngineError;

/// What was asked for: `auto`, or one engine by its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EngineAddress {
    /// What [`locate`](super::locate) finds.
    #[default]
    Auto,
    /// A unix socket, `unix:///path` or a plain absolute path.
    Unix(PathBuf),
    /// Plain HTTP, `tcp://host:port`. Anyone who reaches that port owns the engine's machine.
    Tcp(String),
    /// Mutual TLS, `https://host:port`, or `tcp://host:port` where `DOCKER_TLS_VERIFY` is set.
    Tls(String),
    /// The engine that `docker` on a host reaches, through the program `ssh`.
    Ssh(SshHost),
}

/// Where `ssh` goes, `ssh://[user@]host[:port]`. The host may be an alias of ssh's own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshHost {
    /// The account there, if it is not ssh's own choice.
    pub user: Option<String>,
    /// Name, alias or address.
    pub host: String,
    /// The port, if it is not ssh's own choice.
    pub port: Option<u16>,
}

const FORMS: &str = "expected `auto`, `unix:///path`, `tcp://host:port`, `https://host:port` or `ssh://host`";

impl FromStr for EngineAddress {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let invalid = |reason: &str| EngineError::Address {
            address: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (scheme, rest) = match text {
            "auto" => return Ok(Self::Auto),
            _ if text.starts_with('/') => ("unix", text),
            _ => text.split_once("://").ok_or_else(|| invalid(FORMS))?,
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err(invalid("the path of a unix socket is absolute: `unix:///path`")),
            "tcp" | "http" => authority(rest)
                .map(Self::Tcp)
                .ok_or_else(|| invalid("expected `tcp://host:port`")),
            "https" => authority(rest)
                .map(Self::Tls)
                .ok_or_else(|| invalid("expected `https://host:port`")),
            "ssh" => SshHost::parse(rest).map(Self::Ssh).map_err(invalid),
            "npipe" => Err(invalid("named pipes exist on Windows only")),
            _ => Err(invalid(FORMS)),
        }
    }
}

/// `host:port`, if it is that and nothing more.
fn authority(text: &str) -> Option<String> {
    let authority = text.trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':')?;
    let whole = !host.is_empty() && !authority.contains(['/', '@', '?', '#', ' ']);
    (whole && port.parse::<u16>().is_ok()).then(|| authority.to_owned())
}

impl SshHost {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.contains(['/', '?', '#']) {
            return Err("the engine is the one that `docker` on that host reaches: `ssh://host` has no path");
        }
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err("ssh takes no password here: use a key, and leave the password out");
        }
        // An IPv6 address stands in brackets, and its colons are not the port's.
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, after)) => (host, after.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = port
            .map(|port| port.parse().map_err(|_| "the port is not a number up to 65535"))
            .transpose()?;
        // ssh would take a leading `-` for an option.
        let word = |word: &str| {
            !word.is_empty()
                && !word.starts_with('-')
                && !word.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if !word(host) || user.is_some_and(|user| !word(user)) {
            return Err("expected `ssh://[user@]host[:port]`");
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
            Self::Tls(authority) => write!(f, "https://{authority}"),
            Self::Ssh(host) => write!(f, "ssh://{host}"),
        }
    }
}

impl fmt::Display for SshHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms() {
        for (text, address) in [
            ("auto", EngineAddress::Auto),
            ("/a/b.sock", EngineAddress::Unix("/a/b.sock".into())),
            ("unix:///a/b.sock", EngineAddress::Unix("/a/b.sock".into())),
            (
                "tcp://127.0.0.1:2375/",
                EngineAddress::Tcp("127.0.0.1:2375".into()),
            ),
            ("https://h:2376", EngineAddress::Tls("h:2376".into())),
            ("tcp://[::1]:2375", EngineAddress::Tcp("[::1]:2375".into())),
        ] {
            assert_eq!(text.parse::<EngineAddress>().unwrap(), address, "{text}");
        }
    }

    #[test]
    fn ssh_addresses_are_written_as_they_were_read() {
        for text in [
            "ssh://build",
            "ssh://u@build",
            "ssh://u@build:2222",
            "ssh://[::1]:22",
            "ssh://10.0.0.7:5722",
        ] {
            assert_eq!(text.parse::<EngineAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, says) in [
            ("unix://relative", "absolute"),
            ("tcp://host", "tcp://host:port"),
            ("tcp://:1", "tcp://host:port"),
            ("tcp://u@host:1", "tcp://host:port"),
            ("https://h", "https://host:port"),
            ("ssh://", "ssh://[user@]host[:port]"),
            ("ssh://-oProxyCommand=x", "ssh://[user@]host[:port]"),
            ("ssh://-oX=y@h", "ssh://[user@]host[:port]"),
            ("ssh://h/run/docker.sock", "has no path"),
            ("ssh://u:secret@h", "no password"),
            ("ssh://h:port", "not a number"),
            ("npipe:////./pipe/docker", "Windows"),
            ("docker", "auto"),
        ] {
            let error = text.parse::<EngineAddress>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
