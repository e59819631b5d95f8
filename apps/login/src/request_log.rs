//! One line for each request: method, path, status, milliseconds.
//!
//! Never the query, which holds the user name in the article's forms, and never a cookie or a session id. Health checks are logged
//! at `debug`, since they come every few seconds.

use std::time::Instant;

use axum::{extract::Request, middleware::Next, response::Response};

/// Logs a request when its answer's head is ready.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let ms = started.elapsed().as_millis();
    if matches!(path.as_str(), "/livez" | "/readyz") && response.status().is_success() {
        tracing::debug!(target: "request", "{method} {path} {status} {ms} ms");
    } else {
        tracing::info!(target: "request", "{method} {path} {status} {ms} ms");
    }
    response
}
