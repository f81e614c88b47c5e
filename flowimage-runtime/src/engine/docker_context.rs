//! docker's contexts: named engines, as `docker context use` chooses them.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{EngineError, LookUp};
use crate::oci::sha256;

/// The context that docker itself would use.
pub(super) struct Context {
    pub(super) name: String,
    /// In the forms of `DOCKER_HOST`.
    pub(super) host: String,
    /// Folder of its certificates, where it has some.
    pub(super) certificates: Option<PathBuf>,
}

/// The context chosen by `DOCKER_CONTEXT` or by docker's configuration; `None` for the default one.
///
/// Errors: a context that is chosen and cannot be read.
/// Source: docker/cli, `cli/context/store`: a context's folder is named by the hash of its name.
pub(super) fn in_use(
    look_up: &LookUp,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Option<Context>, EngineError> {
    let Some(folder) = &look_up.docker_folder else {
        return Ok(None);
    };
    // docker's configuration is read for logins too, and what is wrong with it is said there.
    let current = || {
        let configuration: Value = serde_json::from_slice(&read(&folder.join("config.json")).ok()?).ok()?;
        configuration["currentContext"].as_str().map(str::to_owned)
    };
    let Some(name) = look_up.docker_context.clone().or_else(current) else {
        return Ok(None);
    };
    if name.is_empty() || name == "default" {
        return Ok(None);
    }
    let id = sha256(name.as_bytes());
    let file = folder.join("contexts/meta").join(id.hex()).join("meta.json");
    let broken = |reason: String| EngineError::DockerContext {
        name: name.clone(),
        file: file.clone(),
        reason,
    };
    let bytes = read(&file).map_err(|error| broken(error.to_string()))?;
    let meta: Value = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    let endpoint = &meta["Endpoints"]["docker"];
    let host = endpoint["Host"]
        .as_str()
        .filter(|host| !host.is_empty())
        .ok_or_else(|| broken("it has no `Host` of docker".to_owned()))?;
    if endpoint["SkipTLSVerify"].as_bool() == Some(true) {
        return Err(broken(
            "it does not verify whom it talks to (`SkipTLSVerify`)".to_owned(),
        ));
    }
    let certificates = folder.join("contexts/tls").join(id.hex()).join("docker");
    let has_certificates = read(&certificates.join("ca.pem")).is_ok();
    Ok(Some(Context {
        host: host.to_owned(),
        certificates: has_certificates.then_some(certificates),
        name,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(context: Option<&str>) -> LookUp {
        LookUp {
            docker_folder: Some("/d".into()),
            docker_context: context.map(str::to_owned),
            ..LookUp::default()
        }
    }

    /// The context `remote` in use, described by `meta`, with certificates or without.
    fn files(meta: &str, certificates: bool) -> impl Fn(&Path) -> io::Result<Vec<u8>> {
        move |path| {
            let known = sha256(b"remote");
            let at = |place: &str, file: &str| {
                path == Path::new("/d/contexts").join(place).join(known.hex()).join(file)
            };
            if path == Path::new("/d/config.json") {
                return Ok(br#"{"currentContext": "remote"}"#.to_vec());
            }
            if at("meta", "meta.json") {
                return Ok(meta.as_bytes().to_vec());
            }
            if certificates && at("tls", "docker/ca.pem") {
                return Ok(Vec::new());
            }
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn the_context_in_use_is_followed() {
        let meta =
            r#"{"Name":"remote","Endpoints":{"docker":{"Host":"tcp://h:2376","SkipTLSVerify":false}}}"#;
        let context = in_use(&look_up(None), files(meta, true)).unwrap().unwrap();
        assert_eq!(
            (context.name.as_str(), context.host.as_str()),
            ("remote", "tcp://h:2376")
        );
        let id = sha256(b"remote");
        assert_eq!(
            context.certificates.unwrap(),
            Path::new("/d/contexts/tls").join(id.hex()).join("docker")
        );
        assert!(
            in_use(&look_up(None), files(meta, false))
                .unwrap()
                .unwrap()
                .certificates
                .is_none()
        );
        assert!(
            in_use(&look_up(Some("default")), files(meta, true))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_chosen_context_that_cannot_be_used_is_said() {
        let told = |context, meta| {
            in_use(&look_up(context), files(meta, false))
                .err()
                .unwrap()
                .to_string()
        };
        assert!(told(Some("gone"), "{}").starts_with("docker's context `gone` cannot be used"));
        assert!(told(None, "{").contains("meta.json"));
        assert!(told(None, "{}").contains("no `Host`"));
        let unverified = r#"{"Endpoints":{"docker":{"Host":"tcp://h:2376","SkipTLSVerify":true}}}"#;
        assert!(told(None, unverified).contains("SkipTLSVerify"));
    }
}
