//! Statistics as the stub's `Snapshot`.

use engine::DropReason;
use engine::statistics::{Counters, Gauges};
use engine_io::{ShellCounters, Snapshot};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

/// Take a struct apart into `(name, value)` pairs. Without `..` in the pattern: a field that was added does not compile until
/// it is listed here, or nobody would ever see it.
macro_rules! pairs {
    ($value:expr, $type:ident { $($field:ident),* $(,)? }) => {{
        let $type { $($field),* } = $value;
        [$((stringify!($field), $field)),*]
    }};
}

/// The dict that `Engine.snapshot` returns.
pub(crate) fn to_python<'py>(py: Python<'py>, snapshot: &Snapshot) -> PyResult<Bound<'py, PyDict>> {
    let engine = &snapshot.engine;
    let labels = DropReason::ALL.iter().map(|reason| reason.label());
    let delay = &snapshot.forwarding_delay;
    let buckets: Vec<(f64, u64)> = delay.cumulative().collect();
    let dict = PyDict::new(py);
    dict.set_item("counters", counters(py, &engine.counters, &snapshot.shell)?)?;
    dict.set_item("drops", labels.zip(engine.drops).into_py_dict(py)?)?;
    let real_time = ("is_real_time", u64::from(snapshot.is_real_time));
    let gauges = gauges(engine.gauges).into_iter().chain([real_time]);
    dict.set_item("gauges", gauges.into_py_dict(py)?)?;
    dict.set_item("forwarding_delay_buckets", buckets)?;
    dict.set_item("forwarding_delay_sum_s", delay.sum_s())?;
    dict.set_item("forwarding_delay_count", delay.count())?;
    dict.set_item("cpu_time_s", snapshot.cpu_time.as_secs_f64())?;
    Ok(dict)
}

fn counters<'py>(
    py: Python<'py>,
    engine: &Counters,
    shell: &ShellCounters,
) -> PyResult<Bound<'py, PyDict>> {
    let engine = pairs!(
        *engine,
        Counters {
            packets_received,
            bytes_received,
            packets_sent,
            bytes_sent,
            rtp_packets_forwarded,
            nacks_received,
            nacks_sent,
            retransmissions_sent,
            retransmissions_refused,
            retransmissions_received,
            keyframe_requests_received,
            ceilings_received,
            keyframe_requests_sent,
            keyframe_cache_starts,
            source_switches,
            stun_requests,
            events_lost,
        }
    );
    let shell = [
        ("send_failures", shell.send.failures),
        ("send_waits", shell.send.waits),
        ("send_messages", shell.send.messages_sent),
        ("gso_messages", shell.send.gso_messages),
        ("gso_refusals", shell.send.gso_refusals),
        ("receive_failures", shell.receive_failures),
        ("receive_queue_drops", shell.receive_queue_drops),
        ("commands_refused", shell.commands_refused),
        ("turns", shell.turns),
        ("steps_back", shell.steps_back),
    ];
    engine.into_iter().chain(shell).into_py_dict(py)
}

fn gauges(gauges: Gauges) -> [(&'static str, u64); 6] {
    pairs!(
        gauges,
        Gauges {
            rooms,
            participants,
            transports_connected,
            send_streams,
            receive_streams,
            cached_bytes,
        }
    )
}
