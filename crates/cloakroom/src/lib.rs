//! Sessions for tower and axum.
