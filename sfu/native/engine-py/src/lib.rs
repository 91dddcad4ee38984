//! Python bindings: conversions and error mapping only. The Python API is documented in `sfu/_engine.pyi`.
#![allow(unsafe_op_in_unsafe_fn, reason = "code that the PyO3 macros generate")]

mod event;
mod fields;
mod media;
mod snapshot;

use std::os::fd::{AsRawFd, RawFd};

use engine::ids::{ParticipantId, RoomId};
use engine::{Command, DropReason};
use engine_io::{EngineHandle, HandleError, Options};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

pyo3::create_exception!(
    sfu._engine,
    EngineError,
    PyException,
    "The engine refused a command: unknown id, wrong state, value out of range. The text names which."
);

/// The engine and its thread.
#[pyclass(frozen, module = "sfu._engine", name = "Engine")]
struct PyEngine {
    handle: EngineHandle,
}

#[pymethods]
impl PyEngine {
    #[new]
    #[pyo3(signature = (*, sockets, seed, is_kep = false, use_gso = true))]
    fn new(
        py: Python<'_>,
        sockets: Vec<RawFd>,
        seed: &[u8],
        is_kep: bool,
        use_gso: bool,
    ) -> PyResult<Self> {
        let seed = seed.try_into().map_err(|_| {
            EngineError::new_err(format!("seed: {} bytes given, 32 wanted", seed.len()))
        })?;
        let options = Options {
            sockets,
            seed,
            is_kep,
            use_gso,
        };
        let handle = py
            .detach(|| EngineHandle::start(&options))
            .map_err(refused)?;
        Ok(Self { handle })
    }

    fn event_descriptor(&self) -> RawFd {
        self.handle.event_descriptor().as_raw_fd()
    }

    #[pyo3(signature = (limit = 1024))]
    fn take_events<'py>(
        &self,
        py: Python<'py>,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let events = self.handle.take_events(limit);
        events
            .into_iter()
            .map(|taken| event::to_python(py, taken))
            .collect()
    }

    fn add_room(&self, py: Python<'_>, room: u64) -> PyResult<()> {
        self.command(py, Command::AddRoom { room: RoomId(room) })
    }

    fn remove_room(&self, py: Python<'_>, room: u64) -> PyResult<()> {
        self.command(py, Command::RemoveRoom { room: RoomId(room) })
    }

    fn add_participant(
        &self,
        py: Python<'_>,
        room: u64,
        participant: u64,
        ice_ufrag: String,
        ice_pwd: String,
    ) -> PyResult<()> {
        let command = Command::AddParticipant {
            room: RoomId(room),
            participant: ParticipantId(participant),
            ice_ufrag,
            ice_pwd,
        };
        self.command(py, command)
    }

    fn remove_participant(&self, py: Python<'_>, participant: u64) -> PyResult<()> {
        let participant = ParticipantId(participant);
        self.command(py, Command::RemoveParticipant { participant })
    }

    fn set_remote_ice(
        &self,
        py: Python<'_>,
        participant: u64,
        remote_ufrag: String,
    ) -> PyResult<()> {
        let command = Command::SetRemoteIce {
            participant: ParticipantId(participant),
            remote_ufrag,
        };
        self.command(py, command)
    }

    fn restart_ice(
        &self,
        py: Python<'_>,
        participant: u64,
        ice_ufrag: String,
        ice_pwd: String,
        remote_ufrag: String,
    ) -> PyResult<()> {
        let command = Command::RestartIce {
            participant: ParticipantId(participant),
            ice_ufrag,
            ice_pwd,
            remote_ufrag,
        };
        self.command(py, command)
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "PyO3 hands lists over by value"
    )]
    fn set_media(
        &self,
        py: Python<'_>,
        participant: u64,
        published: Vec<Bound<'_, PyDict>>,
        subscribed: Vec<Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let command = Command::SetMedia {
            participant: ParticipantId(participant),
            published: media::published(&published)?,
            subscribed: media::subscribed(&subscribed)?,
        };
        self.command(py, command)
    }

    #[allow(clippy::too_many_arguments, reason = "the Python signature")]
    fn set_srtp_keys(
        &self,
        py: Python<'_>,
        participant: u64,
        profile: &str,
        local_key: &[u8],
        local_salt: &[u8],
        remote_key: &[u8],
        remote_salt: &[u8],
    ) -> PyResult<()> {
        let keys = media::srtp_keys(profile, [local_key, local_salt, remote_key, remote_salt])?;
        let participant = ParticipantId(participant);
        self.command(py, Command::SetSrtpKeys { participant, keys })
    }

    fn send_dtls(&self, participant: u64, datagram: &[u8]) -> PyResult<()> {
        let command = Command::SendDtls {
            participant: ParticipantId(participant),
            datagram: datagram.to_vec(),
        };
        self.handle.post(participant, command).map_err(refused)
    }

    #[pyo3(signature = (participant, mid, publisher, publisher_mid, max_height))]
    fn set_source(
        &self,
        participant: u64,
        mid: &str,
        publisher: Option<u64>,
        publisher_mid: Option<&str>,
        max_height: i64,
    ) -> PyResult<()> {
        let command = Command::SetSource {
            participant: ParticipantId(participant),
            mid: media::tag("mid", mid)?,
            source: media::source(publisher, publisher_mid)?,
            max_height: u16::try_from(max_height).map_err(|_| {
                EngineError::new_err(format!("max_height: {max_height} is not in 0 to 65535"))
            })?,
        };
        self.handle.post(participant, command).map_err(refused)
    }

    fn set_forwarding(
        &self,
        py: Python<'_>,
        participant: u64,
        mid: &str,
        is_allowed: bool,
    ) -> PyResult<()> {
        let command = Command::SetForwarding {
            participant: ParticipantId(participant),
            mid: media::tag("mid", mid)?,
            is_allowed,
        };
        self.command(py, command)
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let snapshot = py.detach(|| self.handle.snapshot()).map_err(refused)?;
        snapshot::to_python(py, &snapshot)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.handle.close());
    }
}

impl PyEngine {
    /// Wait for the command's result with the interpreter released.
    fn command(&self, py: Python<'_>, command: Command) -> PyResult<()> {
        py.detach(|| self.handle.command(command)).map_err(refused)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: HandleError) -> PyErr {
    EngineError::new_err(error.to_string())
}

#[pyfunction]
fn drop_reasons() -> Vec<&'static str> {
    DropReason::ALL
        .iter()
        .map(|reason| reason.label())
        .collect()
}

#[pyfunction]
fn engine_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[pymodule(name = "_engine", gil_used = false)]
fn engine_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("EngineError", module.py().get_type::<EngineError>())?;
    module.add_class::<PyEngine>()?;
    module.add_function(wrap_pyfunction!(drop_reasons, module)?)?;
    module.add_function(wrap_pyfunction!(engine_version, module)?)
}
