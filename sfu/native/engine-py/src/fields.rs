//! Reads a dict that is shaped like a `TypedDict` of the stub, with errors that name the place, the key and the value.

use std::fmt::Display;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::EngineError;

/// Values are shown up to this many characters in errors.
const MAX_SHOWN_CHARACTERS: usize = 80;

/// A dict and where it stands in the call, such as `published[0].codecs[1]`.
pub(crate) struct Fields<'a, 'py> {
    dict: &'a Bound<'py, PyDict>,
    place: String,
}

impl<'a, 'py> Fields<'a, 'py> {
    /// Start reading `dict`, which may have no keys but `keys`.
    pub(crate) fn new(
        dict: &'a Bound<'py, PyDict>,
        place: String,
        keys: &[&str],
    ) -> PyResult<Self> {
        for key in dict.keys() {
            let is_known = key.extract::<&str>().is_ok_and(|key| keys.contains(&key));
            if !is_known {
                let shown = show(&key);
                return Err(error(&place, format_args!("unknown key {shown}")));
            }
        }
        Ok(Self { dict, place })
    }

    /// The place of `key`, for errors and for what lies below it.
    pub(crate) fn place(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }

    /// The value of `key`, which must be there; `wanted` says in words what it has to be.
    pub(crate) fn required<T>(&self, key: &str, wanted: &str) -> PyResult<T>
    where
        T: for<'any> FromPyObject<'any, 'py>,
    {
        let value = self.dict.get_item(key)?;
        let value = value.ok_or_else(|| error(&self.place, format_args!("missing key '{key}'")))?;
        value.extract().map_err(|_| self.bad(key, &value, wanted))
    }

    /// As [`Fields::required`], then `accept` judges the value.
    pub(crate) fn checked<T, U>(
        &self,
        key: &str,
        wanted: &str,
        accept: impl FnOnce(T) -> Option<U>,
    ) -> PyResult<U>
    where
        T: for<'any> FromPyObject<'any, 'py>,
    {
        let value: Bound<'py, PyAny> = self.required(key, wanted)?;
        let read: Option<T> = value.extract().ok();
        read.and_then(accept)
            .ok_or_else(|| self.bad(key, &value, wanted))
    }

    /// The value of `key`; `None` if it is None or missing.
    pub(crate) fn optional<T>(
        &self,
        key: &str,
        wanted: &str,
        accept: impl FnOnce(T) -> bool,
    ) -> PyResult<Option<T>>
    where
        T: Copy + for<'any> FromPyObject<'any, 'py>,
    {
        let value = self.dict.get_item(key)?.filter(|value| !value.is_none());
        let Some(value) = value else {
            return Ok(None);
        };
        let read: Option<T> = value.extract().ok();
        read.filter(|read| accept(*read))
            .map(Some)
            .ok_or_else(|| self.bad(key, &value, wanted))
    }

    fn bad(&self, key: &str, value: &Bound<'py, PyAny>, wanted: &str) -> PyErr {
        let shown = show(value);
        error(&self.place(key), format_args!("{shown} is not {wanted}"))
    }
}

/// An error at `place`.
pub(crate) fn error(place: &str, what: impl Display) -> PyErr {
    EngineError::new_err(format!("{place}: {what}"))
}

fn show(value: &Bound<'_, PyAny>) -> String {
    let text = value.repr().map(|repr| repr.to_string());
    let text = text.unwrap_or_else(|_| "a value without repr".into());
    match text.char_indices().nth(MAX_SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
