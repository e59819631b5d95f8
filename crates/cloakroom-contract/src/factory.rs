//! What a store brings to be tested: a way to open it, and as many capabilities as it has.

use std::{any::Any, fmt, future::Future, process::Command, sync::Arc, time::Duration};

use async_trait::async_trait;
use cloakroom_core::{
    Error, OwnerIndex, Store,
    store::{Scan, Sweep},
};
use futures_util::future::BoxFuture;

/// Makes fresh stores for the cases.
///
/// Each call of [`open`](Self::open) gives an empty store that shares nothing with any other: its own file, its own
/// prefix, its own table. The cases run in parallel, and none of them cleans up after itself.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// Opens an empty store.
    async fn open(&self) -> Result<Opened, Error>;
}

#[async_trait]
impl<F: StoreFactory + ?Sized> StoreFactory for &F {
    async fn open(&self) -> Result<Opened, Error> {
        (**self).open().await
    }
}

/// A handle on a store, with the optional traits that it has.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sweep: Option<Arc<dyn Sweep>>,
    pub(crate) scan: Option<Arc<dyn Scan>>,
    pub(crate) owner_index: Option<Arc<dyn OwnerIndex>>,
}

impl Handle {
    /// A store that has none of [`Sweep`], [`Scan`] and [`OwnerIndex`].
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            sweep: None,
            scan: None,
            owner_index: None,
        }
    }

    /// A store that has both [`Sweep`] and [`Scan`]; for one that has an [`OwnerIndex`] too, add
    /// [`with_owner_index`](Self::with_owner_index).
    #[must_use]
    pub fn full<S: Sweep + Scan>(store: Arc<S>) -> Self {
        Self::new(store.clone())
            .with_sweep(store.clone())
            .with_scan(store)
    }

    /// The same handle, with a way to sweep the same store.
    #[must_use]
    pub fn with_sweep(mut self, sweep: Arc<dyn Sweep>) -> Self {
        self.sweep = Some(sweep);
        self
    }

    /// The same handle, with a way to list the same store.
    #[must_use]
    pub fn with_scan(mut self, scan: Arc<dyn Scan>) -> Self {
        self.scan = Some(scan);
        self
    }

    /// The same handle, with the owner index of the same store.
    #[must_use]
    pub fn with_owner_index(mut self, owner_index: Arc<dyn OwnerIndex>) -> Self {
        self.owner_index = Some(owner_index);
        self
    }
}

/// Something that not every store or every factory can do. A case that needs one which is absent is skipped, and the
/// report says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// The store's clock can be moved: [`Opened::virtual_time`].
    VirtualTime,
    /// The store implements [`Sweep`].
    Sweep,
    /// The store implements [`Scan`].
    Scan,
    /// The store implements [`OwnerIndex`].
    OwnerIndex,
    /// The store can be closed and opened again with its data: [`Opened::on_reopen`].
    Reopen,
    /// The same backing has other namespaces: [`Opened::on_sibling`].
    Siblings,
    /// No id reaches into another namespace, even if one namespace's name begins with the other's. Present where
    /// [`Siblings`](Self::Siblings) is; a store whose keys are a bare prefix plus the id takes it back with
    /// [`Opened::without`].
    NestedNamespaces,
    /// The store can be made unreachable: [`Opened::on_outage`].
    Outage,
    /// Writing can be made impossible while reading works: [`Opened::on_read_only`].
    ReadOnly,
    /// Another process can write to the store and be killed: [`Opened::on_writer`].
    KillProcess,
}

type Reopen = Box<dyn Fn() -> BoxFuture<'static, Result<Handle, Error>> + Send + Sync>;
type Sibling = Box<dyn Fn(String) -> BoxFuture<'static, Result<Handle, Error>> + Send + Sync>;
type Switch = Box<dyn Fn(bool) -> BoxFuture<'static, ()> + Send + Sync>;
type Writer = Box<dyn Fn() -> Command + Send + Sync>;

pub(crate) enum Time {
    Virtual(Box<dyn Fn(Duration) + Send + Sync>),
    Real { resolution: Duration },
}

/// An open store and what can be done to it. Only the store itself is needed; each further call makes more cases run.
#[must_use]
pub struct Opened {
    pub(crate) handle: Handle,
    pub(crate) time: Time,
    pub(crate) reopen: Option<Reopen>,
    pub(crate) sibling: Option<Sibling>,
    pub(crate) outage: Option<Switch>,
    pub(crate) read_only: Option<Switch>,
    pub(crate) writer: Option<Writer>,
    pub(crate) largest_value: usize,
    lacks: Vec<(Capability, String)>,
    guards: Vec<Box<dyn Any + Send + Sync>>,
}

impl Opened {
    /// An open store in real time with a resolution of ten milliseconds and no other capability than the handle's.
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            time: Time::Real {
                resolution: Duration::from_millis(10),
            },
            reopen: None,
            sibling: None,
            outage: None,
            read_only: None,
            writer: None,
            largest_value: 1024 * 1024,
            lacks: Vec::new(),
            guards: Vec::new(),
        }
    }

    /// Keeps `guard` (a temporary directory, a server process) until the case is over.
    pub fn keep(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guards.push(Box::new(guard));
        self
    }

    /// The store's time moves only when `advance` is called. Handles that are opened later must follow the same clock.
    pub fn virtual_time(mut self, advance: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.time = Time::Virtual(Box::new(advance));
        self
    }

    /// The store follows the real time. A session may be seen up to `resolution` after its time is over.
    pub fn real_time(mut self, resolution: Duration) -> Self {
        self.time = Time::Real { resolution };
        self
    }

    /// How to open the store again, in the same namespace and with its data, after every handle on it was dropped.
    pub fn on_reopen<F, R>(mut self, reopen: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Handle, Error>> + Send + 'static,
    {
        self.reopen = Some(Box::new(move || Box::pin(reopen())));
        self
    }

    /// How to open the namespace of the given name in the same backing. Two calls with one name give two handles on one
    /// namespace. Names are up to 16 ASCII letters, digits and `:`.
    pub fn on_sibling<F, R>(mut self, sibling: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Handle, Error>> + Send + 'static,
    {
        self.sibling = Some(Box::new(move |name| Box::pin(sibling(name))));
        self
    }

    /// How to make the store unreachable (`true`) and reachable again (`false`), without opening it anew.
    pub fn on_outage<F, R>(mut self, switch: F) -> Self
    where
        F: Fn(bool) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.outage = Some(Box::new(move |on| Box::pin(switch(on))));
        self
    }

    /// How to make writing impossible (`true`) and possible again (`false`) while reading goes on.
    pub fn on_read_only<F, R>(mut self, switch: F) -> Self
    where
        F: Fn(bool) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.read_only = Some(Box::new(move |on| Box::pin(switch(on))));
        self
    }

    /// A command whose process opens the same store and calls [`write_until_killed`](crate::kill::write_until_killed), or
    /// for a store with an [`OwnerIndex`] [`write_owned_until_killed`](crate::kill::write_owned_until_killed).
    /// A test binary can be its own writer: see [`kill`](crate::kill).
    pub fn on_writer(mut self, writer: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        self.writer = Some(Box::new(writer));
        self
    }

    /// The longest value that the store takes, if that is less than a mebibyte.
    pub fn largest_value(mut self, bytes: usize) -> Self {
        self.largest_value = bytes;
        self
    }

    /// Says why a capability is absent; the report repeats it for each case that is skipped.
    pub fn without(mut self, capability: Capability, reason: impl Into<String>) -> Self {
        self.lacks.push((capability, reason.into()));
        self
    }

    /// Why `capability` is absent; `None` if it is present.
    #[must_use]
    pub fn lacks(&self, capability: Capability) -> Option<String> {
        let said = self.lacks.iter().find(|(lack, _)| *lack == capability);
        if let Some((_, reason)) = said {
            return Some(reason.clone());
        }
        let (present, how) = match capability {
            Capability::VirtualTime => (
                matches!(self.time, Time::Virtual(_)),
                "its clock cannot be moved",
            ),
            Capability::Sweep => (self.handle.sweep.is_some(), "it has no Sweep"),
            Capability::Scan => (self.handle.scan.is_some(), "it has no Scan"),
            Capability::OwnerIndex => (self.handle.owner_index.is_some(), "it has no OwnerIndex"),
            Capability::Reopen => (self.reopen.is_some(), "it cannot be opened again"),
            Capability::Siblings | Capability::NestedNamespaces => {
                (self.sibling.is_some(), "it has no other namespace")
            }
            Capability::Outage => (self.outage.is_some(), "it cannot be made unreachable"),
            Capability::ReadOnly => (self.read_only.is_some(), "it cannot be made read-only"),
            Capability::KillProcess => (self.writer.is_some(), "no other process can write to it"),
        };
        (!present).then(|| format!("as the factory gives the store, {how}"))
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("handle", &self.handle)
            .field("virtual_time", &matches!(self.time, Time::Virtual(_)))
            .field("lacks", &self.lacks)
            .field("guards", &self.guards.len())
            .finish_non_exhaustive()
    }
}
