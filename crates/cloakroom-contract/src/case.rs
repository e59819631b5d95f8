//! A case: its name, how it is run, and how it can come out.

use std::{fmt, io::Write as _, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};

use crate::StoreFactory;

/// Why a case stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The store broke the law.
    Failed(String),
    /// The store lacks what the case needs.
    Skipped(String),
}

impl Stop {
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }
}

/// What a case returns.
pub(crate) type Step<T = ()> = Result<T, Stop>;

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::case::Stop::Failed(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// Fails the case unless both sides are equal.
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($message:tt)+) => {{
        let (found, wanted) = (&$found, &$wanted);
        if found != wanted {
            let rule = format!($($message)+);
            return Err($crate::case::Stop::Failed(format!(
                "{rule}: wanted {wanted:?}, found {found:?}"
            )));
        }
    }};
}
pub(crate) use ensure_eq;

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The store kept the law.
    Passed,
    /// The store broke the law; here is how.
    Failed(String),
    /// The store or its factory lacks what the case needs; here is what.
    Skipped(String),
}

impl Outcome {
    /// Whether the store broke the law.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

type Run = for<'a> fn(&'a dyn StoreFactory) -> BoxFuture<'a, Step>;

/// One case of the contract.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: Run,
}

/// No case takes this long with a store that answers at all.
const DEADLINE: Duration = Duration::from_secs(120);

impl Case {
    pub(crate) const fn new(name: &'static str, run: Run) -> Self {
        Self { name, run }
    }

    /// The name of the case: `basic::missing_is_missing`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case on a fresh store, in a tokio runtime with a timer and preferably several threads. A store that
    /// panics or that never answers fails the case; it does not end the run.
    pub async fn run(&self, factory: &dyn StoreFactory) -> Outcome {
        let case = AssertUnwindSafe((self.run)(factory)).catch_unwind();
        match tokio::time::timeout(DEADLINE, case).await {
            Ok(Ok(Ok(()))) => Outcome::Passed,
            Ok(Ok(Err(Stop::Failed(message)))) => Outcome::Failed(message),
            Ok(Ok(Err(Stop::Skipped(reason)))) => Outcome::Skipped(reason),
            Ok(Err(panic)) => Outcome::Failed(format!("a panic: {}", panic_text(&*panic))),
            Err(_) => Outcome::Failed(format!("not over after {} s", DEADLINE.as_secs())),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Runs one case as a test: panics if it fails, says so on the standard error if it is skipped. This is what
/// [`store_contract!`](crate::store_contract) calls.
///
/// # Panics
///
/// When the case fails or has no such name.
#[doc(hidden)]
pub fn test(name: &str, factory: &dyn StoreFactory) {
    let case = crate::find(name).unwrap_or_else(|| panic!("the contract has no case {name}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a tokio runtime");
    match runtime.block_on(case.run(factory)) {
        Outcome::Passed => {}
        Outcome::Failed(message) => panic!("{name}: {message}"),
        // Past the capture of the test harness, so that nobody takes a skipped case for one that passed.
        Outcome::Skipped(reason) => {
            let _ = writeln!(std::io::stderr(), "skipped {name}: {reason}");
        }
    }
}
