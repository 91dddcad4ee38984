//! `load-agent [address]`: JSON lines in, JSON lines out, until standard input ends. `address` is what sockets are bound to,
//! by default any IPv4 one.

use load_agent::agent::{Agent, unspecified};
use load_agent::protocol::{Command, Event};
use std::io::{self, BufRead, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

fn main() -> ExitCode {
    let address = match std::env::args().nth(1).map(|text| text.parse::<IpAddr>()) {
        None => unspecified(false),
        Some(Ok(address)) => address,
        Some(Err(_)) => {
            eprintln!("usage: load-agent [address to bind to]");
            return ExitCode::from(2);
        }
    };
    match run(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: IpAddr) -> io::Result<()> {
    let (event_sender, events) = mpsc::channel();
    let (command_sender, commands) = mpsc::channel();
    let (wake, waker) = UnixStream::pair()?;
    let mut agent = Agent::new(address, event_sender.clone())?;
    // Neither a slow reader nor a slow writer may make the media late: both have threads of their own.
    thread::spawn(move || read_commands(&command_sender, &event_sender, waker));
    let writer = thread::spawn(move || write_events(&events));
    agent.run(&commands, wake)?;
    drop(agent);
    drop(commands);
    writer.join().unwrap_or(Ok(()))
}

fn read_commands(
    commands: &mpsc::Sender<Command>,
    events: &mpsc::Sender<Event>,
    mut waker: UnixStream,
) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else {
            return;
        };
        let is_taken = match serde_json::from_str(&line) {
            Ok(command) => commands.send(command).is_ok(),
            Err(error) => events
                .send(Event::Refused {
                    reason: error.to_string(),
                })
                .is_ok(),
        };
        if !is_taken || waker.write_all(&[0]).is_err() {
            return;
        }
    }
}

fn write_events(events: &mpsc::Receiver<Event>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    while let Ok(event) = events.recv() {
        write_line(&mut out, &event)?;
        while let Ok(event) = events.try_recv() {
            write_line(&mut out, &event)?;
        }
        out.flush()?;
    }
    Ok(())
}

fn write_line(out: &mut impl Write, event: &Event) -> io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    out.write_all(b"\n")
}
