//! The application over real HTTP.

mod devices;
mod guard;
mod health;
mod outage;
mod pages;
mod sessions;
mod settings;
mod static_files;
#[path = "../support/mod.rs"]
mod support;
mod workers;

use std::{net::SocketAddr, path::PathBuf};

use app::{
    config::Settings,
    startup::{self, Application},
};
use cloakroom::OwnerIndex;
use support::Visitor;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

/// A running application.
struct App {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    folder: TempDir,
}

impl App {
    /// Starts with the defaults on a free port, with the store in a folder of its own.
    async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = settings(&folder, change).check().unwrap();
        Self::run(startup::build(config).await.unwrap(), folder)
    }

    async fn start_with_store(store: impl OwnerIndex, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = settings(&folder, |settings| {
            settings.session_secret = Some("a secret for tests".into());
            change(settings);
        });
        let built = startup::build_with_store(config.check().unwrap(), store).await;
        Self::run(built.unwrap(), folder)
    }

    fn run(application: Application, folder: TempDir) -> Self {
        let address = application.address();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            application.run_until_stopped(stop).await.unwrap();
        });
        Self {
            address,
            stop,
            running,
            folder,
        }
    }

    fn visitor(&self) -> Visitor {
        Visitor::new(self.address)
    }

    fn store_path(&self) -> PathBuf {
        self.folder.path().join("sessions.db")
    }

    /// Stops as SIGTERM does.
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

fn settings(folder: &TempDir, change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings {
        port: "0".into(),
        data_dir: folder.path().display().to_string(),
        ..Settings::default()
    };
    change(&mut settings);
    settings
}
