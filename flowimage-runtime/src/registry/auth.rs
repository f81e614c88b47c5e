//! What a registry is shown of us: name and password, or the token that its service gives for them.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, Url};
use tokio::sync::Mutex;

use super::challenge::Challenge;
use super::credentials::{self, Credentials, Secret};
use super::settings::authority;
use super::{Access, RegistryError, Repository};
use crate::words::short;

/// The largest answer of a token service.
const TOKEN_LIMIT: u64 = 1 << 20;

/// What goes with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authorization {
    /// Name and password.
    Basic(String, Secret),
    /// A token; anonymous where no credentials were known.
    Bearer {
        /// The token.
        token: Secret,
        /// Whether it was given to nobody in particular.
        anonymous: bool,
    },
}

impl Authorization {
    /// Adds it to a request, marked so that it is not shown.
    pub(super) fn apply(&self, builder: RequestBuilder) -> RequestBuilder {
        match self {
            Authorization::Basic(user, password) => builder.basic_auth(user, Some(password.reveal())),
            Authorization::Bearer { token, .. } => builder.bearer_auth(token.reveal()),
        }
    }

    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self, Authorization::Bearer { anonymous: true, .. })
    }
}

/// What is known by now: credentials by registry, authorizations by registry and scope.
#[derive(Default)]
pub(super) struct Authorizations {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    credentials: BTreeMap<String, Option<Credentials>>,
    authorizations: BTreeMap<(String, String), Authorization>,
}

impl Repository {
    /// What was enough the last time.
    pub(super) async fn authorization(&self) -> Option<Authorization> {
        let known = self.registries.shared.authorizations.known.lock().await;
        self.found(&known)
    }

    fn found(&self, known: &Known) -> Option<Authorization> {
        let at = |scope: String| known.authorizations.get(&(self.registry.clone(), scope));
        at(self.scopes().join(" ")).or_else(|| at(String::new())).cloned()
    }

    /// The rights a token must give. Source: <https://distribution.github.io/distribution/spec/auth/scope/>.
    fn scopes(&self) -> Vec<String> {
        let rights = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let own = format!("repository:{}:{rights}", self.path);
        let other = self.mounts_from.as_ref();
        let other = other.map(|path| format!("repository:{path}:pull"));
        [own].into_iter().chain(other).collect()
    }

    /// Answers a challenge; `refused` is what was sent with the request.
    pub(super) async fn authorize(
        &self,
        response: &Response,
        refused: Option<&Authorization>,
    ) -> Result<Authorization, RegistryError> {
        // Held all the while: of requests at the same time, one asks for the token.
        let mut known = self.registries.shared.authorizations.known.lock().await;
        let found = self.found(&known);
        if let Some(found) = found.filter(|found| Some(found) != refused) {
            return Ok(found);
        }
        let credentials = match known.credentials.get(&self.registry) {
            Some(credentials) => credentials.clone(),
            None => credentials::find(&self.registry, &self.settings().credentials).await?,
        };
        known
            .credentials
            .insert(self.registry.clone(), credentials.clone());
        let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenges
            .filter_map(|it| it.to_str().ok())
            .find_map(Challenge::read);
        let (scope, authorization) = match challenge {
            None => return Err(self.unauthorized(credentials.is_some())),
            Some(Challenge::Basic) => match credentials {
                Some(Credentials::Password(user, password)) => {
                    (String::new(), Authorization::Basic(user, password))
                }
                other => return Err(self.unauthorized(other.is_some())),
            },
            Some(Challenge::Bearer { realm, service }) => {
                let anonymous = credentials.is_none();
                let token = self.token(&realm, service.as_deref(), credentials).await?;
                (
                    self.scopes().join(" "),
                    Authorization::Bearer { token, anonymous },
                )
            }
        };
        known
            .authorizations
            .insert((self.registry.clone(), scope), authorization.clone());
        Ok(authorization)
    }

    /// Buys a token.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        credentials: Option<Credentials>,
    ) -> Result<Secret, RegistryError> {
        let known = credentials.is_some();
        let mut url = self.realm(realm)?;
        let client = self.registries.shared.client.of(&url).await?.clone();
        let scopes = self.scopes();
        let builder = match credentials {
            Some(Credentials::Identity(token)) => {
                let mut form = Url::parse("form:?").map_err(|error| self.unreachable(error))?;
                form.query_pairs_mut()
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("service", service.unwrap_or_default())
                    .append_pair("client_id", "flowimage")
                    .append_pair("scope", &scopes.join(" "))
                    .append_pair("refresh_token", token.reveal());
                client
                    .post(url)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.query().unwrap_or_default().to_owned())
            }
            other => {
                let mut query = url.query_pairs_mut();
                if let Some(service) = service {
                    query.append_pair("service", service);
                }
                for scope in &scopes {
                    query.append_pair("scope", scope);
                }
                drop(query);
                let builder = client.get(url);
                match other {
                    Some(Credentials::Password(user, password)) => {
                        builder.basic_auth(user, Some(password.reveal()))
                    }
                    _ => builder,
                }
            }
        };
        let sent = tokio::time::timeout(self.settings().patience, builder.send()).await;
        let response = sent
            .map_err(|error| self.unreachable(error))?
            .map_err(|error| self.unreachable(error.without_url()))?;
        if response.status().is_server_error() || response.status().as_u16() == 429 {
            return Err(self.unreachable(format!("its token service answered {}", response.status())));
        }
        // Redirects are not followed: credentials would go along.
        if !response.status().is_success() {
            return Err(self.unauthorized(known));
        }
        let bytes = self.read(response, TOKEN_LIMIT).await?.unwrap_or_default();
        let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        ["token", "access_token"]
            .iter()
            .find_map(|name| answer.get(name)?.as_str().filter(|it| !it.is_empty()))
            .map(Secret::new)
            .ok_or_else(|| self.unauthorized(known))
    }

    /// The address of a token service, if credentials may go there.
    fn realm(&self, realm: &str) -> Result<Url, RegistryError> {
        let refused = |realm: &str, reason| RegistryError::Realm {
            registry: self.registry.clone(),
            realm: short(realm, 100),
            reason,
        };
        let url = Url::parse(realm).map_err(|_| refused("something", "which is no address"))?;
        let place = format!("{}://{}", url.scheme(), authority(&url));
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(&place, "with a name or password of its own"));
        }
        // Over https a registry was sure to be itself; a service in plain http, even on this machine, is not.
        let plain_is_fine = self.settings().is_plain(&self.registry) && self.settings().permits(&url);
        if url.scheme() != "https" && !plain_is_fine {
            return Err(refused(&place, "which is not encrypted"));
        }
        Ok(url)
    }

    /// A text of the registry's, should it repeat what it was sent.
    pub(super) async fn without_secrets(&self, text: &str) -> String {
        let known = self.registries.shared.authorizations.known.lock().await;
        let mut text = text.to_owned();
        let credentials = known.credentials.values().flatten().map(|it| match it {
            Credentials::Password(_, secret) | Credentials::Identity(secret) => secret,
        });
        let tokens = known.authorizations.values().map(|it| match it {
            Authorization::Basic(_, secret) => secret,
            Authorization::Bearer { token, .. } => token,
        });
        for secret in credentials
            .chain(tokens)
            .filter(|secret| !secret.reveal().is_empty())
        {
            text = text.replace(secret.reveal(), "***");
        }
        // Name and password in base64, as they are sent.
        let words = text.split(' ').collect::<Vec<_>>();
        let hidden = |at: usize| at > 0 && matches!(words[at - 1].trim_end_matches(':'), "Basic" | "Bearer");
        let words = words
            .iter()
            .enumerate()
            .map(|(at, word)| if hidden(at) { "***" } else { word });
        words.collect::<Vec<_>>().join(" ")
    }
}
