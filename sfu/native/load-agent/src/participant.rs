//! One participant: ICE, DTLS, SRTP, what it sends and what it receives. Sans-IO.

mod expecting;
mod feedback;
mod receiving;
mod sending;

use feedback::FeedbackRecorder;

use crate::dtls::{DtlsClient, DtlsIdentity, SrtpSession};
use crate::hearing::Hearing;
use crate::ice::{Credentials, IceClient, IceOutcome};
use crate::media_loop::MediaLoop;
use crate::outbox::Outbox;
use crate::protocol::{Connect, Event, Expect, ReceiveMedia, SendMedia, SrtpOffer};
use crate::random::Random;
use crate::receive_stream::ReceiveStream;
use crate::report::{LineReport, Report};
use crate::send_track::SendTrack;
use crate::time::{MILLISECOND, SECOND, Time};
use crate::totals::Totals;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use wire::rtcp::{self};
use wire::rtp::{self};
use wire::srtp::SrtpProfile;

/// Sender and receiver reports.
const REPORT_INTERVAL: u64 = SECOND;
/// NACKs and keyframe requests while something is missing.
const REPAIR_INTERVAL: u64 = 20 * MILLISECOND;
/// DTLS and ICE together must be done after this.
const CONNECT_TIMEOUT: u64 = 30 * SECOND;

/// What all participants of an agent share.
pub struct Shared {
    /// The certificate.
    pub identity: Arc<DtlsIdentity>,
    /// Loaded media.
    pub loops: HashMap<String, Arc<MediaLoop>>,
    /// NTP time (RFC 3550 §4) at `Time(0)`.
    pub ntp_at_zero: u64,
}

impl Shared {
    /// Longest silence of any voice that is played, µs.
    fn longest_pause(&self) -> u64 {
        let pauses = self.loops.values().map(|media| media.longest_pause_ms);
        u64::from(pauses.max().unwrap_or(0)) * MILLISECOND
    }

    fn ntp(&self, time: Time) -> u64 {
        let since = (u128::from(time.0) << 32) / u128::from(SECOND);
        self.ntp_at_zero.wrapping_add(since as u64)
    }
}

/// One participant.
pub struct Participant {
    id: u32,
    room: u32,
    random: Random,
    ice: IceClient,
    dtls: Option<DtlsClient>,
    srtp: Option<SrtpSession>,
    connect_started: Time,
    tracks: Vec<SendTrack>,
    active_at_start: Vec<bool>,
    streams: Vec<ReceiveStream>,
    hearing: Hearing,
    /// The newest, for m-lines that come later.
    expect: Option<Expect>,
    srtp_offer: SrtpOffer,
    transport_number: u16,
    feedback: FeedbackRecorder,
    totals: Totals,
    next_report: Option<Time>,
    next_repair: Option<Time>,
    is_failed: bool,
    /// Lateness of the frames sent since the shell took it, µs.
    pub send_lateness: Vec<u64>,
    /// What the shell has to tell.
    pub events: Vec<Event>,
}

impl Participant {
    /// A participant that has not negotiated; `seed` makes its random numbers.
    pub fn new(id: u32, room: u32, seed: u64, srtp_offer: SrtpOffer) -> Self {
        let mut random = Random::new(seed);
        let ice = IceClient::new(&mut random);
        Self {
            id,
            room,
            transport_number: random.next() as u16,
            random,
            ice,
            dtls: None,
            srtp: None,
            connect_started: Time::default(),
            tracks: Vec::new(),
            active_at_start: Vec::new(),
            streams: Vec::new(),
            hearing: Hearing::default(),
            expect: None,
            srtp_offer,
            feedback: FeedbackRecorder::default(),
            totals: Totals::default(),
            next_report: None,
            next_repair: None,
            is_failed: false,
            send_lateness: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Our ICE credentials.
    pub fn local_ice(&self) -> &Credentials {
        &self.ice.local
    }

    /// Where to send.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.ice.remote_address()
    }

    /// Whether media may flow.
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some() && !self.is_failed
    }

    /// Take what the answer said, and start.
    ///
    /// # Errors
    /// What of it cannot be done; nothing has changed then.
    pub fn handle_connect(
        &mut self,
        now: Time,
        connect: Connect,
        shared: &Shared,
    ) -> Result<(), String> {
        if self.dtls.is_some() {
            return Err("it is connected already".to_owned());
        }
        if connect.candidates.is_empty() {
            return Err("no candidate to connect to".to_owned());
        }
        self.tracks = self.make_tracks(&connect.send, shared)?;
        self.active_at_start = connect.send.iter().map(|media| media.is_active).collect();
        self.add_streams(now, connect.receive, shared);
        let credentials = Credentials {
            ufrag: connect.ice_ufrag,
            password: connect.ice_pwd,
        };
        self.ice.start(now, credentials, connect.candidates);
        let (identity, offer) = (&shared.identity, self.srtp_offer);
        self.dtls = Some(DtlsClient::new(identity, offer, &connect.fingerprint, now)?);
        self.connect_started = now;
        Ok(())
    }

    /// Take what a second answer said: known m-lines go on, new ones start, others end.
    ///
    /// # Errors
    /// What of it cannot be done; nothing has changed then.
    pub fn handle_renegotiate(
        &mut self,
        now: Time,
        send: &[SendMedia],
        receive: Vec<ReceiveMedia>,
        shared: &Shared,
    ) -> Result<(), String> {
        let is_new =
            |media: &&SendMedia| !(self.tracks.iter()).any(|track| track.mid.as_str() == media.mid);
        let new: Vec<SendMedia> = send.iter().filter(is_new).cloned().collect();
        let made = self.make_tracks(&new, shared)?;
        let is_sent = |track: &SendTrack| send.iter().any(|media| media.mid == track.mid.as_str());
        let (tracks, active) = (std::mem::take(&mut self.tracks), &self.active_at_start);
        let kept = tracks.into_iter().zip(active.iter().copied());
        let all = (kept.filter(|(track, _)| is_sent(track))).chain(
            made.into_iter()
                .zip(new.iter().map(|media| media.is_active)),
        );
        (self.tracks, self.active_at_start) = all.unzip();
        if self.is_connected() {
            for track in &mut self.tracks {
                if let Some(media) = new.iter().find(|media| media.mid == track.mid.as_str()) {
                    track.set_active(media.is_active.then_some(now));
                }
            }
        }
        let is_received =
            |stream: &ReceiveStream| (receive.iter()).any(|media| media.mid == stream.media.mid);
        self.end_streams(|stream| !is_received(stream));
        let known: Vec<String> = (self.streams.iter())
            .map(|stream| stream.media.mid.clone())
            .collect();
        let added = receive
            .into_iter()
            .filter(|media| !known.contains(&media.mid));
        self.add_streams(now, added.collect(), shared);
        Ok(())
    }

    fn make_tracks(
        &mut self,
        send: &[SendMedia],
        shared: &Shared,
    ) -> Result<Vec<SendTrack>, String> {
        (send.iter())
            .map(|media| SendTrack::new(media, &shared.loops, &mut self.random))
            .collect()
    }

    fn add_streams(&mut self, now: Time, receive: Vec<ReceiveMedia>, shared: &Shared) {
        let (room, id) = (self.room, self.id);
        let made = receive.into_iter();
        self.streams
            .extend(made.map(|media| ReceiveStream::new(media, room, id)));
        self.apply_expect(now, shared);
    }

    /// Forget streams; their counts stay in the participant's.
    fn end_streams(&mut self, is_over: impl Fn(&ReceiveStream) -> bool) {
        for stream in self.streams.iter().filter(|stream| is_over(stream)) {
            self.totals.merge(&stream.judge.totals);
        }
        self.streams.retain(|stream| !is_over(stream));
    }

    /// Go on or pause sending on `mid`; false if there is no such track.
    pub fn handle_publish(&mut self, now: Time, mid: &str, is_active: bool) -> bool {
        let is_connected = self.is_connected();
        let Some(index) = self
            .tracks
            .iter()
            .position(|track| track.mid.as_str() == mid)
        else {
            return false;
        };
        self.active_at_start[index] = is_active;
        if is_connected {
            self.tracks[index].set_active(is_active.then_some(now));
        }
        true
    }

    /// When to call `handle_timeout`; `None` while nothing is due.
    pub fn next_timeout(&self) -> Option<Time> {
        if self.is_failed {
            return None;
        }
        let dtls = (self.dtls.as_ref())
            .filter(|_| self.ice.is_connected() && self.srtp.is_none())
            .and_then(DtlsClient::next_timeout);
        let fixed = [
            self.ice.next_timeout(),
            dtls,
            self.next_report,
            self.next_repair,
            self.feedback.due,
        ];
        let tracks = self.tracks.iter().filter_map(SendTrack::next_timeout);
        fixed.into_iter().flatten().chain(tracks).min()
    }

    /// Do what is due.
    pub fn handle_timeout(&mut self, now: Time, shared: &Shared, outbox: &mut Outbox) {
        if self.is_failed {
            return;
        }
        self.ice.handle_timeout(now, &mut self.random, outbox);
        if self.srtp.is_none() {
            self.continue_handshake(now, outbox);
            return;
        }
        if self.ice.is_lost(now) {
            self.fail("the server answers no checks any more".to_owned());
            return;
        }
        self.send_media(now, outbox);
        if self.feedback.due.is_some_and(|due| due <= now) {
            self.send_feedback(outbox);
        }
        if self.next_repair.is_some_and(|due| due <= now) {
            self.repair(now, outbox);
        }
        if self.next_report.is_some_and(|due| due <= now) {
            self.next_report = Some(now.after(REPORT_INTERVAL));
            self.send_reports(now, shared, outbox);
            self.look_for_silence(now);
        }
    }

    /// Take a datagram that the kernel had at `arrival`.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        arrival: Time,
        datagram: &mut [u8],
        outbox: &mut Outbox,
    ) {
        if self.is_failed {
            return;
        }
        // RFC 7983 §7.
        match datagram.first() {
            Some(0..=3) => {
                if self.ice.handle_datagram(now, datagram, outbox) == IceOutcome::Connected {
                    self.continue_handshake(now, outbox);
                }
            }
            Some(20..=63) => {
                if let Some(dtls) = &mut self.dtls {
                    let result = dtls.handle_datagram(now, datagram, outbox);
                    self.handle_handshake(now, result);
                }
            }
            Some(128..=191) if rtp::is_rtcp(datagram) => {
                self.handle_rtcp(now, arrival, datagram, outbox);
            }
            Some(128..=191) => self.handle_rtp(now, arrival, datagram),
            _ => self.totals.unreadable += 1,
        }
    }

    /// Say BYE.
    pub fn handle_remove(&mut self, outbox: &mut Outbox) {
        let ssrcs: Vec<u32> = self.tracks.iter().flat_map(SendTrack::ssrcs).collect();
        if !ssrcs.is_empty() {
            self.send_rtcp(outbox, |out| rtcp::write_goodbye(out, &ssrcs));
        }
    }

    /// What the shell counts about it.
    pub const fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    /// What happened to it by `now`.
    pub fn report(&mut self, now: Time) -> Report {
        self.look_for_silence(now);
        let line = |stream: &ReceiveStream| {
            let media = &stream.media;
            LineReport::new(&media.mid, media.kind, &stream.judge, stream.first_media)
        };
        Report {
            id: self.id,
            room: self.room,
            is_connected: self.is_connected(),
            round_trip_us: self.ice.round_trip_micros,
            unheard: self.hearing.silent(),
            totals: self.sum(),
            lines: self.streams.iter().map(line).collect(),
        }
    }

    /// Sums over its m-lines.
    pub fn sum(&self) -> Totals {
        let mut totals = self.totals.clone();
        totals.merge(&self.hearing.totals);
        for stream in &self.streams {
            totals.merge(&stream.judge.totals);
        }
        totals
    }

    /// Start all counts again.
    pub fn reset(&mut self) {
        self.totals = Totals::default();
        self.hearing.totals = Totals::default();
        for stream in &mut self.streams {
            stream.judge.reset();
        }
    }

    // ---- handshake

    fn continue_handshake(&mut self, now: Time, outbox: &mut Outbox) {
        let Some(dtls) = &mut self.dtls else {
            return;
        };
        if now.since(self.connect_started) > CONNECT_TIMEOUT {
            let reason = if self.ice.is_connected() {
                format!("DTLS did not get through: {}", dtls.describe())
            } else {
                "ICE did not get through".to_owned()
            };
            self.fail(reason);
        } else if self.ice.is_connected() && self.srtp.is_none() {
            let result = dtls.handle_timeout(now, outbox);
            self.handle_handshake(now, result);
        }
    }

    fn handle_handshake(&mut self, now: Time, result: Result<Option<SrtpSession>, String>) {
        match result {
            Err(reason) => self.fail(reason),
            Ok(None) => {}
            Ok(Some(session)) => {
                self.events.push(Event::Connected {
                    id: self.id,
                    at_us: now.0,
                    after_us: now.since(self.connect_started),
                    profile: profile_name(session.profile),
                });
                self.srtp = Some(session);
                // Spread, so that thousands that start together do not report together.
                self.next_report = Some(now.after(self.random.next() % REPORT_INTERVAL));
                for (track, is_active) in self.tracks.iter_mut().zip(&self.active_at_start) {
                    track.set_active(is_active.then_some(now));
                }
            }
        }
    }

    fn fail(&mut self, reason: String) {
        if !self.is_failed {
            self.is_failed = true;
            self.events.push(Event::Failed {
                id: self.id,
                reason,
            });
        }
    }
}

const fn profile_name(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "aead_aes_128_gcm",
        SrtpProfile::AeadAes256Gcm => "aead_aes_256_gcm",
        SrtpProfile::Aes128CmSha1_80 => "aes128_cm_sha1_80",
    }
}
