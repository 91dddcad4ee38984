//! What the thread drives: the engine's own interface as a trait, so that tests can drive the shell with a tiny core.
//! Static dispatch: it costs nothing at run time.

use engine::{Coming, Command, CommandError, Engine, Event, Path, Statistics, Time, Transmit};

/// A sans-IO core under the calling invariant of the `engine` crate.
pub trait Core {
    /// See [`Engine::handle_datagram`].
    fn handle_datagram(&mut self, now: Time, path: Path, datagram: &mut [u8]);
    /// See [`Engine::prefetch`].
    fn prefetch(&self, _coming: &[Coming]) {}
    /// See [`Engine::handle_command`].
    ///
    /// # Errors
    /// What was wrong with the command.
    fn handle_command(&mut self, now: Time, command: Command) -> Result<(), CommandError>;
    /// See [`Engine::handle_timeout`].
    fn handle_timeout(&mut self, now: Time);
    /// See [`Engine::next_timeout`].
    fn next_timeout(&self) -> Time;
    /// See [`Engine::expects_more`].
    fn expects_more(&self) -> bool {
        false
    }
    /// See [`Engine::transmits`].
    fn transmits(&mut self) -> impl Iterator<Item = Transmit<'_>>;
    /// See [`Engine::clear_transmits`].
    fn clear_transmits(&mut self);
    /// See [`Engine::poll_event`].
    fn poll_event(&mut self) -> Option<Event>;
    /// See [`Engine::statistics`].
    fn statistics(&self) -> Statistics;
}

impl Core for Engine {
    fn handle_datagram(&mut self, now: Time, path: Path, datagram: &mut [u8]) {
        self.handle_datagram(now, path, datagram);
    }

    fn prefetch(&self, coming: &[Coming]) {
        self.prefetch(coming);
    }

    fn handle_command(&mut self, now: Time, command: Command) -> Result<(), CommandError> {
        self.handle_command(now, command)
    }

    fn handle_timeout(&mut self, now: Time) {
        self.handle_timeout(now);
    }

    fn next_timeout(&self) -> Time {
        self.next_timeout()
    }

    fn expects_more(&self) -> bool {
        self.expects_more()
    }

    fn transmits(&mut self) -> impl Iterator<Item = Transmit<'_>> {
        self.transmits()
    }

    fn clear_transmits(&mut self) {
        self.clear_transmits();
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.poll_event()
    }

    fn statistics(&self) -> Statistics {
        self.statistics()
    }
}
