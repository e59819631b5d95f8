//! Starts the login application, or asks a running one whether it is alive.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use app::{
    config::{Cli, Command, Config, Settings},
    startup::{self, StartupError},
};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

/// The system's allocator costs a server a fifth of what it can do, and that of musl more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit status where a setting is not allowed, as clap's own.
const BAD_SETTING: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Healthcheck) => healthcheck(&cli.settings),
        None => match cli.settings.check() {
            Ok(config) => serve(config),
            Err(error) => fail(BAD_SETTING, &error),
        },
    }
}

fn fail(status: u8, error: &dyn fmt::Display) -> ExitCode {
    // Whoever closed our standard error does not want to know.
    let _ = writeln!(io::stderr(), "{}: {error}", env!("CARGO_BIN_NAME"));
    ExitCode::from(status)
}

fn healthcheck(settings: &Settings) -> ExitCode {
    let address = match settings.address() {
        Ok(address) => address,
        Err(error) => return fail(BAD_SETTING, &error),
    };
    match app::healthcheck(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format_args!("not alive at {address}: {error}")),
    }
}

fn serve(config: Config) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    // Of this thread alone: the others that serve have theirs.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    match runtime.block_on(run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

async fn run(config: Config) -> Result<(), StartupError> {
    let stop = Stop::listen().map_err(StartupError::Serve)?;
    let application = startup::build(config).await?;
    let mut out = io::stdout();
    for notice in application.notices() {
        let _ = writeln!(out, "{notice}");
    }
    let _ = writeln!(out, "Listening on http://{}", application.address());
    let _ = out.flush();
    application.run_until_stopped(stop.first_then_exit()).await
}

/// What ends the application: Ctrl-C, and SIGTERM where there is one.
struct Stop {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Stop {
    /// From here on the signals are ours: none that comes while the application starts is lost, or kills it.
    fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        }
        #[cfg(windows)]
        Ok(Self {
            interrupt: tokio::signal::windows::ctrl_c()?,
        })
    }

    async fn signal(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(windows)]
        let _ = self.interrupt.recv().await;
    }

    /// Ready at the first signal; a second one ends the process at once.
    async fn first_then_exit(mut self) {
        self.signal().await;
        tokio::spawn(async move {
            self.signal().await;
            std::process::exit(1);
        });
    }
}
