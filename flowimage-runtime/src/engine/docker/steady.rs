//! Questions asked again in passing states.

use std::time::Duration;

use bollard::errors::Error;

/// Asks again where the engine stumbled: Podman's answers fail when something goes while it looks, and name states in
/// passing that the API does not have (`stopped`, between running and exited).
pub(super) async fn steady<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    for _ in 0..20 {
        match ask().await {
            Err(Error::DockerResponseServerError { status_code: 500, .. } | Error::JsonDataError { .. }) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            result => return result,
        }
    }
    ask().await
}
