//! Which Debian package a shared library comes from.

use std::fs;

/// The package that provides a library such as `libodbc.so.2`.
///
/// Debian's `*.shlibs` files are the official map, and those of this machine cover what a program was linked
/// with here. For others the naming rule of Debian's policy (chapter 8) holds, but for a few old names.
pub fn package_of(library: &str) -> Option<String> {
    let (name, version) = library.split_once(".so")?;
    let version = version.strip_prefix('.').unwrap_or_default();
    installed(name, version).or_else(|| by_rule(name, version))
}

fn installed(name: &str, version: &str) -> Option<String> {
    let mut paths: Vec<_> = fs::read_dir("/var/lib/dpkg/info")
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "shlibs"))
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|text| {
            text.lines().find_map(|line| {
                let mut words = line.split_whitespace();
                let fits = words.next() == Some(name) && words.next() == Some(version);
                fits.then(|| words.next()).flatten().map(str::to_owned)
            })
        })
}

fn by_rule(name: &str, version: &str) -> Option<String> {
    let known = match name {
        "libz" => "zlib1g",
        "libc" | "libm" | "libdl" | "libpthread" | "librt" | "ld-linux-x86-64" => "libc6",
        "libgcc_s" => "libgcc-s1",
        _ => {
            let name = name.to_lowercase().replace('_', "-");
            let dash = if name.ends_with(|last: char| last.is_ascii_digit()) && !version.is_empty() {
                "-"
            } else {
                ""
            };
            return (!version.is_empty()).then(|| format!("{name}{dash}{version}"));
        }
    };
    Some(known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_and_exceptions() {
        assert_eq!(by_rule("libodbc", "2").as_deref(), Some("libodbc2"));
        assert_eq!(by_rule("libsqlite3", "0").as_deref(), Some("libsqlite3-0"));
        assert_eq!(by_rule("libz", "1").as_deref(), Some("zlib1g"));
        assert_eq!(package_of("no library"), None);
    }
}
