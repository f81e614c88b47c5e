//! Where the Prefect server is and how it is spoken to: Prefect's own environment variables.

use std::path::PathBuf;

use super::error::PrefectError;

/// How to reach a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The API's address, such as `http://127.0.0.1:4200/api`, without a slash at the end.
    pub api_url: String,
    /// What is sent as `Authorization`, and the variable it comes from.
    pub credentials: Option<Credentials>,
    /// A file with the certificates to trust, instead of the system's.
    pub certificates: Option<PathBuf>,
    /// Certificates are not checked.
    pub insecure: bool,
}

/// What is sent as `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `PREFECT_API_AUTH_STRING`: `user:password` of a server of one's own.
    AuthString(String),
    /// `PREFECT_API_KEY`: the key of Prefect Cloud.
    ApiKey(String),
}

impl Credentials {
    /// The variable that holds them.
    pub fn variable(&self) -> &'static str {
        match self {
            Credentials::AuthString(_) => "PREFECT_API_AUTH_STRING",
            Credentials::ApiKey(_) => "PREFECT_API_KEY",
        }
    }
}

/// Neither shows the secret.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}(…)", self.variable())
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("api_url", &self.api_url)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads Prefect's environment variables; `None` where no server is named.
    ///
    /// Source: <https://docs.prefect.io/v3/api-ref/settings-ref>. The auth string wins over the key, as there.
    ///
    /// # Errors
    /// `PREFECT_API_URL` is no address.
    pub fn from_env(look_up: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, PrefectError> {
        let look_up = |name| look_up(name).filter(|value| !value.trim().is_empty());
        let Some(api_url) = look_up("PREFECT_API_URL") else {
            return Ok(None);
        };
        let api_url = api_url.trim().trim_end_matches('/').to_owned();
        let parsed = reqwest::Url::parse(&api_url).ok().filter(|url| {
            ["http", "https"].contains(&url.scheme()) && url.host_str().is_some() && url.username().is_empty()
        });
        if parsed.is_none() {
            return Err(PrefectError::Address(api_url));
        }
        let credentials = look_up("PREFECT_API_AUTH_STRING")
            .map(Credentials::AuthString)
            .or_else(|| look_up("PREFECT_API_KEY").map(Credentials::ApiKey));
        let flag = |name| look_up(name).is_some_and(|it| ["1", "true"].contains(&it.to_lowercase().as_str()));
        Ok(Some(Self {
            api_url,
            credentials,
            certificates: look_up("PREFECT_API_SSL_CERT_FILE").map(PathBuf::from),
            insecure: flag("PREFECT_API_TLS_INSECURE_SKIP_VERIFY"),
        }))
    }

    /// The same, with the address of `flowimage.toml` where the environment names none.
    ///
    /// # Errors
    /// The address is none.
    pub fn from_env_or(
        look_up: impl Fn(&str) -> Option<String>,
        api_url: Option<&str>,
    ) -> Result<Option<Self>, PrefectError> {
        Self::from_env(|name| {
            let fallback = || api_url.filter(|_| name == "PREFECT_API_URL").map(str::to_owned);
            look_up(name)
                .filter(|value| !value.trim().is_empty())
                .or_else(fallback)
        })
    }

    /// The page of the server's user interface for a path such as `deployments/deployment/ID`.
    pub fn page(&self, path: &str) -> String {
        format!("{}/{path}", self.api_url.trim_end_matches("/api"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Option<Settings>, PrefectError> {
        Settings::from_env(|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn no_url_is_no_server() {
        assert_eq!(settings(&[("PREFECT_API_KEY", "k")]).unwrap(), None);
        assert_eq!(settings(&[("PREFECT_API_URL", " ")]).unwrap(), None);
    }

    #[test]
    fn the_auth_string_wins_and_nothing_shows_it() {
        let read = settings(&[
            ("PREFECT_API_URL", "http://127.0.0.1:4200/api/"),
            ("PREFECT_API_KEY", "pnu_hidden"),
            ("PREFECT_API_AUTH_STRING", "admin:hidden"),
        ]);
        let read = read.unwrap().unwrap();
        assert_eq!(read.api_url, "http://127.0.0.1:4200/api");
        assert_eq!(
            read.credentials,
            Some(Credentials::AuthString("admin:hidden".to_owned()))
        );
        assert!(!format!("{read:?}").contains("hidden"));
        assert_eq!(read.page("x/y"), "http://127.0.0.1:4200/x/y");
    }

    #[test]
    fn an_address_is_http_without_a_password() {
        for wrong in [
            "localhost:4200",
            "ftp://host/api",
            "http://user:pw@host/api",
            "http://",
        ] {
            assert!(settings(&[("PREFECT_API_URL", wrong)]).is_err(), "{wrong}");
        }
    }
}
