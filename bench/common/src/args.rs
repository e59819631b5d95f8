//! How each measured program of ours and of `bench/peers` is started, and what it says when it serves.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

/// The arguments beside the kind.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Port to listen on, on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Port of the Redis server on 127.0.0.1.
    #[arg(long, default_value_t = 6379)]
    pub redis_port: u16,
    /// What stands before the keys in Redis, where the store can do that.
    #[arg(long, default_value = "bench:")]
    pub prefix: String,
    /// The file of the embedded store.
    #[arg(long, default_value = "bench.db")]
    pub file: PathBuf,
    /// Sessions to make before serving.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// About how large the value of each is, in bytes.
    #[arg(long, default_value_t = 300)]
    pub bytes: usize,
    /// File to write their cookies to, as `name=value`, a line each.
    #[arg(long)]
    pub cookies: Option<PathBuf>,
    /// Make the sessions and end.
    #[arg(long)]
    pub seed_only: bool,
}

impl Args {
    /// Writes the cookies where they are asked for.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_cookies(&self, cookies: impl Iterator<Item = String>) -> io::Result<()> {
        let Some(path) = &self.cookies else {
            return Ok(());
        };
        let mut text = cookies.collect::<Vec<_>>().join("\n");
        text.push('\n');
        fs::write(path, text)
    }
}

/// Tells whoever started the program that it serves: `listening <port>`.
///
/// # Errors
///
/// Standard output is closed.
pub fn announce(port: u16) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "listening {port}")?;
    out.flush()
}
