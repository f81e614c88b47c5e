//! Which package of a distribution has a shared library.

use std::fs;

/// The family of distributions that an image belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Debian, Ubuntu and what is made of them: apt.
    Debian,
    /// Alpine: apk.
    Alpine,
    /// Fedora, RHEL and their like: dnf.
    Fedora,
}

impl Distribution {
    /// What `/etc/os-release` says.
    ///
    /// Source: os-release(5): `ID`, then `ID_LIKE`.
    pub fn of(os_release: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = os_release.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.trim_matches(['"', '\'']).to_owned())
        };
        let words = format!(
            "{} {}",
            value("ID=").unwrap_or_default(),
            value("ID_LIKE=").unwrap_or_default()
        );
        words.split_whitespace().find_map(|word| match word {
            "debian" | "ubuntu" => Some(Self::Debian),
            "alpine" => Some(Self::Alpine),
            "fedora" | "rhel" | "centos" => Some(Self::Fedora),
            _ => None,
        })
    }

    /// The package that has a library such as `libodbc.so.2`, or the file at a path.
    pub fn package_of(self, library: &str) -> Option<String> {
        let name = library.rsplit('/').next()?;
        if let Some(row) = OPENED.iter().find(|row| row.0 == name) {
            let package = match self {
                Self::Debian => row.1,
                Self::Alpine => row.2,
                Self::Fedora => row.3,
            };
            return Some(package.to_owned());
        }
        match self {
            Self::Debian => package_of(name),
            // apk takes what a package provides in place of its name.
            Self::Alpine => name.contains(".so").then(|| format!("so:{name}")),
            Self::Fedora => None,
        }
    }
}

/// Libraries that programs open by name, and others whose package follows no rule: library, Debian, Alpine, Fedora.
const OPENED: [(&str, &str, &str, &str); 12] = [
    ("libtdsodbc.so", "tdsodbc", "freetds", "freetds"),
    ("libtdsS.so", "tdsodbc", "freetds", "freetds"),
    ("psqlodbcw.so", "odbc-postgresql", "psqlodbc", "postgresql-odbc"),
    ("psqlodbca.so", "odbc-postgresql", "psqlodbc", "postgresql-odbc"),
    ("libsqlite3odbc.so", "libsqliteodbc", "sqliteodbc", "sqliteodbc"),
    (
        "libmaodbc.so",
        "odbc-mariadb",
        "mariadb-connector-odbc",
        "mariadb-connector-odbc",
    ),
    ("libodbc.so.2", "libodbc2", "unixodbc", "unixODBC"),
    ("libpq.so.5", "libpq5", "libpq", "libpq"),
    ("libsqlite3.so.0", "libsqlite3-0", "sqlite-libs", "sqlite-libs"),
    ("libssl.so.3", "libssl3", "libssl3", "openssl-libs"),
    ("libcrypto.so.3", "libssl3", "libcrypto3", "openssl-libs"),
    ("libstdc++.so.6", "libstdc++6", "libstdc++", "libstdc++"),
];

/// The Debian package that provides a library such as `libodbc.so.2`.
///
/// Debian's `*.shlibs` files are the official map, and those of this machine cover what a program was linked
/// with here. For others the naming rule of Debian's policy (chapter 8) holds, but for a few old names.
pub fn package_of(library: &str) -> Option<String> {
    let (name, version) = name_and_version(library)?;
    installed(library).or_else(|| by_rule(name, version))
}

/// The package that has a library by one `*.shlibs` file.
///
/// A package with a compiler's libraries for another word size (`lib32gcc-s1`) names the same libraries, and none that a
/// program of this machine can load: it is passed over.
///
/// Source: deb-shlibs(5): lines of `[type:] library version dependencies`.
pub fn package_in(shlibs: &str, library: &str) -> Option<String> {
    let (name, version) = name_and_version(library)?;
    shlibs.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let fits = words.next() == Some(name) && words.next() == Some(version);
        let package = fits.then(|| words.next()).flatten()?;
        let other_size = ["lib32", "lib64", "libn32", "libx32"]
            .iter()
            .any(|size| package.starts_with(size));
        // The file may be an image's: the name is shown as a line to add.
        let name = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "+-.".contains(char);
        (!other_size && package.chars().all(name)).then(|| package.to_owned())
    })
}

/// `libodbc` and `2` of `libodbc.so.2`.
fn name_and_version(library: &str) -> Option<(&str, &str)> {
    let (name, version) = library.split_once(".so")?;
    Some((name, version.strip_prefix('.').unwrap_or_default()))
}

fn installed(library: &str) -> Option<String> {
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
        .find_map(|text| package_in(&text, library))
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
        let shlibs = "libz 1 zlib1g\nlibodd 7 odd-name (>= 1.2)\nudeb: libz 1 zlib1g-udeb\n";
        assert_eq!(package_in(shlibs, "libodd.so.7").as_deref(), Some("odd-name"));
        assert_eq!(package_in(shlibs, "libodd.so.8"), None);
        assert_eq!(package_in("libodd 7 $(reboot)\n", "libodd.so.7"), None);
        assert_eq!(package_in("libgcc_s 1 lib32gcc-s1\n", "libgcc_s.so.1"), None);
    }

    #[test]
    fn each_distribution_has_its_own_names() {
        let of = |text: &str| Distribution::of(text);
        assert_eq!(of("NAME=x\nID=debian\n"), Some(Distribution::Debian));
        assert_eq!(
            of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            Some(Distribution::Debian)
        );
        assert_eq!(
            of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            Some(Distribution::Fedora)
        );
        assert_eq!(of("ID=alpine\n"), Some(Distribution::Alpine));
        assert_eq!(of("ID=nixos\n"), None);
        let driver = "/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so";
        assert_eq!(
            Distribution::Debian.package_of(driver).as_deref(),
            Some("tdsodbc")
        );
        assert_eq!(
            Distribution::Alpine.package_of(driver).as_deref(),
            Some("freetds")
        );
        assert_eq!(
            Distribution::Alpine.package_of("libxyz.so.3").as_deref(),
            Some("so:libxyz.so.3")
        );
        assert_eq!(Distribution::Fedora.package_of("libxyz.so.3"), None);
    }
}
