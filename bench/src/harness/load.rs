//! One load of one program: what wrk counted, and what it cost.

use std::path::Path;

use super::{
    Failure, proc_fs, redis_info,
    results::Reading,
    stage::{Redis, Running},
    wrk,
};

/// What is asked of a program, how and how long.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The path.
    pub path: &'a str,
    /// How many of the prepared cookies are used in turn; 0 for none.
    pub cookies: usize,
    /// Connections, each with one request under way.
    pub connections: u32,
    /// For how long.
    pub seconds: u32,
}

/// Loads a program and reads what it cost. `folder` is for wrk's script.
///
/// # Errors
///
/// wrk failed, or a process is gone.
pub fn measure(
    running: &Running,
    redis: &Redis,
    shape: Shape<'_>,
    ticks_per_second: u64,
    folder: &Path,
) -> Result<Reading, Failure> {
    let load = wrk::Load {
        port: running.port,
        path: shape.path,
        cookies: (shape.cookies > 0).then_some((running.cookies.as_path(), shape.cookies)),
        connections: shape.connections,
        seconds: shape.seconds,
    };
    let read = || {
        let (server, store) = (proc_fs::ticks(running.pid)?, proc_fs::ticks(redis.pid)?);
        Ok::<_, Failure>((server, store, redis.calls()?))
    };
    let (server, store, calls) = read()?;
    let counted = wrk::run(&load, folder)?;
    let (server_after, store_after, calls_after) = read()?;
    let micros = |ticks: u64| {
        proc_fs::micros_per_request(ticks, ticks_per_second, counted.requests).unwrap_or(0.0)
    };
    Ok(Reading {
        requests_per_second: counted.per_second(),
        server_us: micros(server_after.saturating_sub(server)),
        redis_us: micros(store_after.saturating_sub(store)),
        redis_calls: redis_info::difference(&calls, &calls_after),
        resident: proc_fs::resident(running.pid)?,
        wrk: counted,
    })
}
