//! Packages of distributions, by what is missed: a header, a library, a program.

use flowimage_model::suggest::suggest;

use crate::elf::Distribution;

/// The Python package that has a module, where it is called otherwise.
pub(super) fn of_module(module: &str) -> Option<&'static str> {
    const PACKAGES: [(&str, &str); 20] = [
        ("Crypto", "pycryptodome"),
        ("MySQLdb", "mysqlclient"),
        ("OpenSSL", "pyOpenSSL"),
        ("PIL", "Pillow"),
        ("attr", "attrs"),
        ("bs4", "beautifulsoup4"),
        ("cv2", "opencv-python-headless"),
        ("dateutil", "python-dateutil"),
        ("docx", "python-docx"),
        ("dotenv", "python-dotenv"),
        ("fitz", "PyMuPDF"),
        ("git", "GitPython"),
        ("jwt", "PyJWT"),
        ("ldap", "python-ldap"),
        ("pkg_resources", "setuptools"),
        ("psycopg2", "psycopg2-binary"),
        ("serial", "pyserial"),
        ("skimage", "scikit-image"),
        ("sklearn", "scikit-learn"),
        ("yaml", "PyYAML"),
    ];
    let found = PACKAGES.iter().find(|(name, _)| *name == module)?;
    Some(found.1)
}

impl Distribution {
    /// By the base's name, which is all that is known here; Debian's where it says nothing.
    pub(super) fn of_base(base: &str) -> Self {
        let fedora = [
            "fedora",
            "almalinux",
            "rockylinux",
            "centos",
            "ubi8",
            "ubi9",
            "amazonlinux",
        ];
        if base.contains("alpine") {
            Self::Alpine
        } else if fedora.iter().any(|name| base.contains(name)) {
            Self::Fedora
        } else {
            Self::Debian
        }
    }

    pub(super) fn install(self, package: &str) -> String {
        match self {
            Self::Debian => format!("apt-get update && apt-get install -y {package}"),
            Self::Alpine => format!("apk add --no-cache {package}"),
            Self::Fedora => format!("dnf install -y {package}"),
        }
    }

    pub(super) fn look_up(self) -> &'static str {
        match self {
            Self::Debian => "`apt-cache search WORD` or packages.debian.org",
            Self::Alpine => "`apk search WORD` or pkgs.alpinelinux.org",
            Self::Fedora => "`dnf search WORD`",
        }
    }

    pub(super) fn python(self) -> &'static str {
        match self {
            Self::Debian => "python3-venv",
            Self::Alpine | Self::Fedora => "python3",
        }
    }

    fn of_row(self, [debian, alpine, fedora]: &[&'static str; 3]) -> &'static str {
        match self {
            Self::Debian => debian,
            Self::Alpine => alpine,
            Self::Fedora => fedora,
        }
    }
}

/// Headers, or folders of them, and the packages that have them: apt, apk, dnf.
const HEADERS: [(&str, [&str; 3]); 26] = [
    ("Python.h", ["python3-dev", "python3-dev", "python3-devel"]),
    ("bzlib.h", ["libbz2-dev", "bzip2-dev", "bzip2-devel"]),
    ("curl/", ["libcurl4-openssl-dev", "curl-dev", "libcurl-devel"]),
    ("expat.h", ["libexpat1-dev", "expat-dev", "expat-devel"]),
    ("ffi.h", ["libffi-dev", "libffi-dev", "libffi-devel"]),
    ("gssapi", ["libkrb5-dev", "krb5-dev", "krb5-devel"]),
    ("hdf5.h", ["libhdf5-dev", "hdf5-dev", "hdf5-devel"]),
    (
        "jpeglib.h",
        ["libjpeg-dev", "libjpeg-turbo-dev", "libjpeg-turbo-devel"],
    ),
    ("krb5.h", ["libkrb5-dev", "krb5-dev", "krb5-devel"]),
    ("lber.h", ["libldap2-dev", "openldap-dev", "openldap-devel"]),
    ("ldap.h", ["libldap2-dev", "openldap-dev", "openldap-devel"]),
    ("libpq-fe.h", ["libpq-dev", "libpq-dev", "libpq-devel"]),
    ("libxml/", ["libxml2-dev", "libxml2-dev", "libxml2-devel"]),
    ("libxslt/", ["libxslt1-dev", "libxslt-dev", "libxslt-devel"]),
    ("lzma.h", ["liblzma-dev", "xz-dev", "xz-devel"]),
    (
        "mysql.h",
        [
            "default-libmysqlclient-dev",
            "mariadb-dev",
            "mariadb-connector-c-devel",
        ],
    ),
    ("openssl/", ["libssl-dev", "openssl-dev", "openssl-devel"]),
    ("png.h", ["libpng-dev", "libpng-dev", "libpng-devel"]),
    ("readline/", ["libreadline-dev", "readline-dev", "readline-devel"]),
    ("sasl/", ["libsasl2-dev", "cyrus-sasl-dev", "cyrus-sasl-devel"]),
    ("snappy", ["libsnappy-dev", "snappy-dev", "snappy-devel"]),
    ("sql.h", ["unixodbc-dev", "unixodbc-dev", "unixODBC-devel"]),
    ("sqlite3.h", ["libsqlite3-dev", "sqlite-dev", "sqlite-devel"]),
    ("sybdb.h", ["freetds-dev", "freetds-dev", "freetds-devel"]),
    ("yaml.h", ["libyaml-dev", "yaml-dev", "libyaml-devel"]),
    ("zlib.h", ["zlib1g-dev", "zlib-dev", "zlib-devel"]),
];

/// The package with a C header.
pub(super) fn of_header(header: &str, family: Distribution) -> Option<&'static str> {
    const C_LIBRARY: [&str; 5] = ["stdio.h", "stdlib.h", "string.h", "limits.h", "linux/limits.h"];
    if C_LIBRARY.contains(&header) {
        return of_tool("cc", family);
    }
    let odbc = ["sqlext.h", "sqltypes.h", "odbcinst.h"];
    let header = if odbc.contains(&header) { "sql.h" } else { header };
    let row = HEADERS.iter().find(|(name, _)| {
        *name == header || header.starts_with(name) || header.ends_with(&format!("/{name}"))
    });
    row.map(|(_, row)| family.of_row(row))
}

/// The package with a library to link, `odbc` for `-lodbc`.
pub(super) fn of_library(name: &str, family: Distribution) -> Option<&'static str> {
    let header = match name {
        "odbc" | "odbcinst" => "sql.h",
        "pq" => "libpq-fe.h",
        "ssl" | "crypto" => "openssl/",
        "z" => "zlib.h",
        "xml2" => "libxml/",
        "ffi" => "ffi.h",
        "sqlite3" => "sqlite3.h",
        "mysqlclient" | "mariadb" => "mysql.h",
        "curl" => "curl/",
        "sybdb" => "sybdb.h",
        "ldap" | "lber" => "ldap.h",
        _ => return None,
    };
    of_header(header, family)
}

/// Programs and the packages that have them: apt, apk, dnf.
const TOOLS: [(&str, [&str; 3]); 28] = [
    ("bzip2", ["bzip2", "bzip2", "bzip2"]),
    ("cargo", ["cargo", "cargo", "cargo"]),
    ("cc", ["build-essential", "build-base", "gcc-c++ make"]),
    ("cc1", ["build-essential", "build-base", "gcc-c++ make"]),
    ("cc1plus", ["build-essential", "build-base", "gcc-c++ make"]),
    ("cmake", ["cmake", "cmake", "cmake"]),
    ("curl", ["curl", "curl", "curl"]),
    ("g++", ["build-essential", "build-base", "gcc-c++ make"]),
    ("gcc", ["build-essential", "build-base", "gcc-c++ make"]),
    ("gfortran", ["gfortran", "gfortran", "gcc-gfortran"]),
    ("git", ["git", "git", "git"]),
    ("gpg", ["gpg", "gnupg", "gnupg2"]),
    ("jq", ["jq", "jq", "jq"]),
    ("ld", ["build-essential", "build-base", "gcc-c++ make"]),
    ("make", ["build-essential", "build-base", "gcc-c++ make"]),
    (
        "mysql_config",
        [
            "default-libmysqlclient-dev",
            "mariadb-dev",
            "mariadb-connector-c-devel",
        ],
    ),
    ("patch", ["patch", "patch", "patch"]),
    ("perl", ["perl", "perl", "perl"]),
    ("pg_config", ["libpq-dev", "libpq-dev", "libpq-devel"]),
    ("pip", ["python3-pip", "py3-pip", "python3-pip"]),
    ("pkg-config", ["pkg-config", "pkgconf", "pkgconf-pkg-config"]),
    ("psql", ["postgresql-client", "postgresql-client", "postgresql"]),
    ("python3", ["python3", "python3", "python3"]),
    ("rustc", ["rustc", "rust", "rust"]),
    ("sqlite3", ["sqlite3", "sqlite", "sqlite"]),
    ("swig", ["swig", "swig", "swig"]),
    ("unzip", ["unzip", "unzip", "unzip"]),
    ("wget", ["wget", "wget", "wget"]),
];

/// The package with a program.
pub(super) fn of_tool(name: &str, family: Distribution) -> Option<&'static str> {
    // A compiler by its full name, such as `x86_64-linux-gnu-gcc`.
    let name = match name.rsplit_once('-') {
        Some((_, last @ ("gcc" | "g++" | "ld"))) => last,
        _ => name,
    };
    let row = TOOLS.iter().find(|(known, _)| *known == name);
    row.map(|(_, row)| family.of_row(row))
}

/// Packages that flows ask for by other names, beside those of the tables above.
const ASKED_FOR: [&str; 24] = [
    "ca-certificates",
    "chromium",
    "default-jre-headless",
    "ffmpeg",
    "fonts-dejavu-core",
    "freetds-bin",
    "gdal-bin",
    "ghostscript",
    "graphviz",
    "imagemagick",
    "libgomp1",
    "libpq5",
    "libsqliteodbc",
    "locales",
    "mariadb-client",
    "odbc-postgresql",
    "odbcinst",
    "openssh-client",
    "poppler-utils",
    "rsync",
    "tdsodbc",
    "tesseract-ocr",
    "tzdata",
    "unixodbc",
];

/// A package whose name is like this one.
pub(super) fn near(name: &str, family: Distribution) -> Option<&'static str> {
    // Names of other distributions first: they are right somewhere, and need not look alike.
    let rows = || HEADERS.iter().chain(&TOOLS);
    let elsewhere = rows().find(|(_, row)| row.contains(&name) && family.of_row(row) != name);
    if let Some((_, row)) = elsewhere {
        return Some(family.of_row(row));
    }
    let known: Vec<&'static str> = rows()
        .map(|(_, row)| family.of_row(row))
        .chain(ASKED_FOR)
        .collect();
    suggest(name, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_family() {
        assert_eq!(of_header("sqlext.h", Distribution::Debian), Some("unixodbc-dev"));
        assert_eq!(
            of_header("openssl/ssl.h", Distribution::Alpine),
            Some("openssl-dev")
        );
        assert_eq!(
            of_tool("x86_64-linux-gnu-gcc", Distribution::Debian),
            Some("build-essential")
        );
        assert_eq!(near("unixODBC-devel", Distribution::Debian), Some("unixodbc-dev"));
        assert_eq!(near("sqlite33", Distribution::Debian), Some("sqlite3"));
        assert_eq!(near("nothing-like-any", Distribution::Debian), None);
        assert_eq!(Distribution::of_base("python:3.12-alpine"), Distribution::Alpine);
    }
}
