//! When something is tried again, and after how long.

use std::time::{Duration, SystemTime};

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};

use super::{RegistryError, Repository};

/// Tries of one thing.
const TRIES: u32 = 5;

/// The longest wait that a registry may ask for. Beyond it, people are told when to come back.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// An attempt that failed, and whether another may succeed.
pub(super) struct Trouble {
    error: RegistryError,
    transient: bool,
    /// The wait that the registry asks for.
    asked: Option<Duration>,
}

impl Trouble {
    /// What may be over the next time.
    pub(super) fn transient(error: RegistryError) -> Self {
        Self {
            error,
            transient: true,
            asked: None,
        }
    }

    /// Whether the registry refused what it had received, as far as that is known.
    pub(super) fn is_a_refusal(&self) -> bool {
        matches!(
            self.error,
            RegistryError::Answer { .. } | RegistryError::WrongDigest { .. }
        )
    }

    /// An answer that may be another one later.
    pub(super) fn answer(error: RegistryError, response: &Retry) -> Self {
        Self {
            error,
            transient: response.transient,
            asked: response.asked,
        }
    }
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        let transient = matches!(error, RegistryError::Unreachable { .. });
        Self {
            error,
            transient,
            asked: None,
        }
    }
}

/// What an answer says of further tries; read from it before its body is.
pub(super) struct Retry {
    transient: bool,
    asked: Option<Duration>,
}

impl Retry {
    pub(super) fn of(response: &Response) -> Self {
        let header = response.headers().get(RETRY_AFTER);
        let header = header.and_then(|it| it.to_str().ok());
        Self {
            transient: is_transient(response.status()),
            asked: header.and_then(|header| asked_wait(header, SystemTime::now())),
        }
    }

    pub(super) fn is_useful(&self) -> bool {
        self.transient
    }
}

/// The attempts at one thing.
#[derive(Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Waits before the next attempt: as long as the registry asks, else ever longer.
    ///
    /// # Errors
    /// The trouble's own, where another attempt cannot help or enough were made; the registry asks for more than a
    /// minute.
    pub(super) async fn again(
        &mut self,
        repository: &Repository,
        trouble: Trouble,
    ) -> Result<(), RegistryError> {
        if let Some(wait) = trouble.asked.filter(|wait| *wait > LONGEST_WAIT)
            && trouble.transient
        {
            return Err(RegistryError::Busy {
                registry: repository.registry.clone(),
                seconds: wait.as_secs(),
            });
        }
        self.0 += 1;
        let tries = if is_nobody_there(&trouble.error) { 2 } else { TRIES };
        if !trouble.transient || self.0 >= tries {
            return Err(trouble.error);
        }
        let own = repository.settings().first_pause * 2_u32.pow(self.0 - 1);
        tokio::time::sleep(trouble.asked.unwrap_or(own)).await;
        Ok(())
    }

    /// After progress, what went wrong before no longer counts.
    pub(super) fn forget(&mut self) {
        self.0 = 0;
    }
}

/// Whether no connection came about. Looking a name up that does not exist may take seconds each time.
fn is_nobody_there(error: &RegistryError) -> bool {
    let RegistryError::Unreachable { source, .. } = error else {
        return false;
    };
    source.downcast_ref().is_some_and(reqwest::Error::is_connect)
}

/// Whether the same request may succeed later.
fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// `Retry-After`: seconds, or a date. Source: RFC 9110, 10.2.3.
fn asked_wait(header: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_seconds_or_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(asked_wait("7", now), Some(Duration::from_secs(7)));
        assert_eq!(
            asked_wait("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            asked_wait("Sun, 06 Nov 1994 08:49:20 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(asked_wait("soon", now), None);
    }
}
