//! A place where a handler waits until the test lets it go on, so that what is to happen meanwhile does.

use std::io;

use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Where handlers wait. Put [`Gate::hold`] among what a request asks for, and into [`Gate::meanwhile`] what is to
/// happen while its handler waits.
#[derive(Debug)]
pub struct Gate {
    listener: TcpListener,
    port: u16,
}

impl Gate {
    /// A gate that is closed.
    ///
    /// # Panics
    ///
    /// If this machine has no free port.
    pub async fn new() -> Self {
        let made = async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let port = listener.local_addr()?.port();
            io::Result::Ok(Self { listener, port })
        };
        made.await
            .unwrap_or_else(|error| panic!("no free port: {error}"))
    }

    /// What a handler is asked to do to wait here.
    #[must_use]
    pub fn hold(&self) -> Value {
        json!(["hold", self.port])
    }

    /// Waits until a handler is here, does `meanwhile`, and lets the handler go on.
    ///
    /// # Panics
    ///
    /// If the network of this machine fails.
    pub async fn meanwhile<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        let handler = self.listener.accept().await;
        let (handler, _) = handler.unwrap_or_else(|error| panic!("no handler comes: {error}"));
        let done = meanwhile.await;
        drop(handler);
        done
    }
}
