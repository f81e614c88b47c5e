//! Values with a grammar of their own: ports, durations, signals.

/// What a word of `EXPOSE` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// A port or range of the container, or something with a variable.
    Container,
    /// `host:container`, of which this is the container's part.
    Published(String),
}

/// Reads a word of `EXPOSE`. Source: docker `go-connections/nat`, `ParsePortSpec`.
pub(super) fn port(text: &str) -> Result<Port, String> {
    if text.contains('$') {
        return Ok(Port::Container);
    }
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !["tcp", "udp", "sctp"].contains(&protocol.to_ascii_lowercase().as_str()) {
        return Err(format!(
            "the protocol is `tcp`, `udp` or `sctp`, not `{protocol}`"
        ));
    }
    let (host, container) = match ports.rsplit_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, ports),
    };
    range(container)?;
    match host {
        None => Ok(Port::Container),
        Some(host) => {
            let host = host.rsplit_once(':').map_or(host, |(_, port)| port);
            if !host.is_empty() {
                range(host)?;
            }
            Ok(Port::Published(text.replacen(
                &ports[..ports.len() - container.len()],
                "",
                1,
            )))
        }
    }
}

fn range(text: &str) -> Result<(), String> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        match text.parse::<u16>() {
            Ok(number) if digits => Ok(number),
            _ if digits => Err("65535 is the last port".to_owned()),
            _ => Err("expected a number".to_owned()),
        }
    };
    match text.split_once('-') {
        None => number(text).map(|_| ()),
        Some((first, last)) => {
            if number(first)? > number(last)? {
                return Err("the range ends before it begins".to_owned());
            }
            Ok(())
        }
    }
}

/// Reads a duration of `HEALTHCHECK` in nanoseconds. Source: Go's `time.ParseDuration`.
pub(super) fn duration(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let length = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let number: f64 = rest[..length].parse().ok()?;
        rest = &rest[length..];
        let length = rest
            .find(|it: char| it.is_ascii_digit() || it == '.')
            .unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..length])?;
        total += number * factor;
        rest = &rest[length..];
    }
    // Go counts in 64 bits.
    (total < 9.2e18).then_some(if negative { -total } else { total })
}

/// Signals by name, without `SIG`.
pub(super) const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Whether `STOPSIGNAL` takes a text. Source: moby `sys/signal`.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let distance = |from: &str, limit: u8| {
        name.strip_prefix(from)
            .and_then(|it| it.parse::<u8>().ok())
            .is_some_and(|it| (1..=limit).contains(&it))
    };
    SIGNALS.contains(&name) || distance("RTMIN+", 15) || distance("RTMAX-", 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for text in [
            "80",
            "80/tcp",
            "53/UDP",
            "8000-8010",
            "8000-8010/sctp",
            "$PORT",
            "${PORT:-80}/tcp",
            "0",
            "65535",
        ] {
            assert_eq!(port(text), Ok(Port::Container), "{text}");
        }
        for (text, container) in [
            ("8080:80", "80"),
            ("127.0.0.1:8080:80/tcp", "80/tcp"),
            ("127.0.0.1::80", "80"),
        ] {
            assert_eq!(port(text), Ok(Port::Published(container.to_owned())), "{text}");
        }
        for text in [
            "", "http", "65536", "80/tls", "90-80", "-1", "8 0", "80,81", "x:80", "+80", "80-",
        ] {
            assert!(port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("30s"), Some(30e9));
        assert_eq!(duration("1h1.5m"), Some(3690e9));
        assert_eq!(duration("-5ms"), Some(-5e6));
        assert_eq!(duration("0"), Some(0.0));
        for text in ["", "30", "5 s", "1d", "s", "1.2.3s", "+", "-", "9999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn signals() {
        for text in ["SIGTERM", "term", "9", "SIGRTMIN+3", "sigquit"] {
            assert!(is_signal(text), "{text}");
        }
        for text in ["", "0", "65", "SIGTREM", "SIGRTMIN+16", "-9"] {
            assert!(!is_signal(text), "{text}");
        }
    }
}
