//! A request's body, read with bounds on its size and its time, whether its length was announced or not.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// How long a body may take to arrive, from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(30);

/// All of a body of at most `limit` bytes.
///
/// # Errors
/// The status to answer with: 413 beyond the limit, 408 if it does not come in time, 400 if it breaks off.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, StatusCode> {
    match tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
