//! A session as one Rust type.

use std::ops::Deref;

use cloakroom_core::{Error, ErrorKind, json::Raw, json::RawObject};
use serde::{Serialize, de::DeserializeOwned};

use crate::Session;

/// A session read as a `T`, whose fields are the session's top-level names.
///
/// Names that `T` does not have are left alone, so two types, or a Node peer, can share one session. Fields are merged one
/// by one like any other names. A `T` for a new session is its default.
///
/// ```
/// use cloakroom::{Error, Typed};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// #[serde(default, rename_all = "camelCase")]
/// struct Visitor {
///     user_name: Option<String>,
///     theme: String,
/// }
///
/// async fn dark(mut visitor: Typed<Visitor>) -> Result<String, Error> {
///     visitor.change(|visitor| visitor.theme = "dark".into())?;
///     Ok(format!("{:?} likes it {}", visitor.user_name, visitor.theme))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Typed<T> {
    value: T,
    session: Session,
}

impl<T: Serialize + DeserializeOwned + Default> Typed<T> {
    /// Reads a session as a `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Type`] if the session's names do not fit `T`. Fields that may be missing need `#[serde(default)]`.
    pub fn new(session: Session) -> Result<Self, Error> {
        let mut object = RawObject::new();
        for name in session.names() {
            if let Some(raw) = session.raw(&name) {
                object.set(&name, raw);
            }
        }
        let value = if object.is_empty() {
            T::default()
        } else {
            object.to_raw().read().map_err(|error| {
                let (expected, column) = (std::any::type_name::<T>(), error.column());
                Error::new(
                    ErrorKind::Type,
                    format!("the session does not fit `{expected}` (at byte {column} of its JSON)"),
                )
            })?
        };
        Ok(Self { value, session })
    }

    /// Changes the value and puts the fields that became different into the session.
    ///
    /// # Errors
    ///
    /// As [`Session::insert`], and [`ErrorKind::Type`] if `T` is not written as a JSON object. What was put into the
    /// session before the error stays.
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        let before = fields(&self.value)?;
        let answer = change(&mut self.value);
        let after = fields(&self.value)?;
        for (name, raw) in after.iter() {
            if before.get(&name).as_ref() != Some(&raw) {
                self.session.insert_raw(&name, raw)?;
            } else if !self.session.contains(&name) {
                // Not of this change: a default, which must not win over what a parallel request puts there.
                self.session.fill_raw(&name, raw)?;
            }
        }
        for (name, _) in before.iter() {
            if after.get(&name).is_none() {
                self.session.remove(&name)?;
            }
        }
        Ok(answer)
    }
}

impl<T> Typed<T> {
    /// The session itself: to rotate, sign in, destroy.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The value alone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Typed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

fn fields<T: Serialize>(value: &T) -> Result<RawObject, Error> {
    let object = Raw::of(value)
        .ok()
        .and_then(|raw| RawObject::from_raw(&raw, usize::MAX));
    object.ok_or_else(|| {
        let given = std::any::type_name::<T>();
        Error::new(
            ErrorKind::Type,
            format!("`{given}` is not written as a JSON object with string names"),
        )
    })
}
