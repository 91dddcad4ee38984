//! The client's DTLS 1.2 handshake (RFC 5764), by `dimpl` unless one SRTP profile alone is offered; gives SRTP keys once the server's fingerprint is right. Sans-IO.

use crate::dtls_one_profile::OneProfileDtls;
use crate::outbox::Outbox;
use crate::protocol::SrtpOffer;
use crate::time::Time;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::srtp::{SrtpError, SrtpProfile, SrtpReceiver, SrtpSender};

/// Largest datagram that a handshake makes.
const BUFFER_BYTES: usize = 2048;

/// What all participants of the process share: one certificate, as making one costs more than a handshake is worth testing.
pub struct DtlsIdentity {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    /// sha-256 of the certificate, as `a=fingerprint` wants it.
    pub fingerprint: String,
    /// An instant as both clocks tell it.
    epoch: (Instant, Time),
}

impl DtlsIdentity {
    /// Make a certificate.
    ///
    /// # Errors
    /// What the certificate library says.
    pub fn generate(epoch: (Instant, Time)) -> Result<Self, String> {
        let made = rcgen::generate_simple_self_signed(vec!["load-agent".to_owned()])
            .map_err(|error| error.to_string())?;
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        let config = Config::builder()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            config: Arc::new(config),
            fingerprint: fingerprint(&certificate.certificate),
            certificate,
            epoch,
        })
    }

    fn instant(&self, time: Time) -> Instant {
        self.epoch.0 + Duration::from_micros(time.since(self.epoch.1))
    }

    fn time(&self, instant: Instant) -> Time {
        let since = instant.saturating_duration_since(self.epoch.0);
        self.epoch.1.after(since.as_micros() as u64)
    }
}

/// SRTP of both directions.
pub struct SrtpSession {
    /// Which profile the server chose.
    pub profile: SrtpProfile,
    /// Ours.
    pub sender: SrtpSender,
    /// Theirs.
    pub receiver: SrtpReceiver,
}

/// One participant's handshake.
pub struct DtlsClient {
    dtls: Dtls,
    identity: Arc<DtlsIdentity>,
    expected_fingerprint: String,
    is_verified: bool,
    timeout: Option<Time>,
    /// Does it all in the place of `dtls`.
    one_profile: Option<OneProfileDtls>,
    sent: u32,
    received: u32,
}

impl DtlsClient {
    /// Be ready to start; `expected_fingerprint` is the answer's sha-256 one.
    ///
    /// # Errors
    /// Profiles that cannot be offered alone.
    pub fn new(
        identity: &Arc<DtlsIdentity>,
        offer: SrtpOffer,
        expected_fingerprint: &str,
        now: Time,
    ) -> Result<Self, String> {
        let one_profile = match offer {
            SrtpOffer::All => None,
            offer => Some(OneProfileDtls::new(
                &identity.certificate.certificate,
                &identity.certificate.private_key,
                offer,
            )?),
        };
        let (config, certificate) = (identity.config.clone(), identity.certificate.clone());
        let mut dtls = Dtls::new_12(config, certificate, identity.instant(now));
        dtls.set_active(true);
        Ok(Self {
            dtls,
            identity: identity.clone(),
            expected_fingerprint: expected_fingerprint.to_ascii_uppercase(),
            is_verified: false,
            timeout: None,
            one_profile,
            sent: 0,
            received: 0,
        })
    }

    /// How far it came, for people.
    pub fn describe(&self) -> String {
        let verified = if self.is_verified { "right" } else { "unseen" };
        format!(
            "{} datagrams sent, {} received, certificate {verified}",
            self.sent, self.received
        )
    }

    /// When to call `handle_timeout`.
    pub fn next_timeout(&self) -> Option<Time> {
        self.timeout
    }

    /// Start, or send again what was lost. Gives the session when it is made.
    ///
    /// # Errors
    /// Why the handshake failed for good.
    pub fn handle_timeout(
        &mut self,
        now: Time,
        outbox: &mut Outbox,
    ) -> Result<Option<SrtpSession>, String> {
        if self.one_profile.is_some() {
            return self.advance(now, None, outbox);
        }
        let instant = self.identity.instant(now);
        self.dtls
            .handle_timeout(instant)
            .map_err(|error| format!("dtls: {error}"))?;
        self.drain(outbox)
    }

    /// Take a datagram.
    ///
    /// # Errors
    /// Why the handshake failed for good.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        datagram: &[u8],
        outbox: &mut Outbox,
    ) -> Result<Option<SrtpSession>, String> {
        self.received += 1;
        if self.one_profile.is_some() {
            return self.advance(now, Some(datagram), outbox);
        }
        let instant = self.identity.instant(now);
        let fatal = |error| format!("dtls: {error}");
        self.dtls.handle_timeout(instant).map_err(fatal)?;
        self.dtls.handle_packet(datagram).map_err(fatal)?;
        self.drain(outbox)
    }

    fn advance(
        &mut self,
        now: Time,
        datagram: Option<&[u8]>,
        outbox: &mut Outbox,
    ) -> Result<Option<SrtpSession>, String> {
        let Some(one) = &mut self.one_profile else {
            return Ok(None);
        };
        let before = outbox.len();
        let session = one.advance(datagram, &self.expected_fingerprint, outbox);
        self.sent += (outbox.len() - before) as u32;
        self.timeout = one.next_timeout(now);
        session
    }

    fn drain(&mut self, outbox: &mut Outbox) -> Result<Option<SrtpSession>, String> {
        let mut buffer = [0; BUFFER_BYTES];
        let mut session = None;
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => {
                    self.sent += 1;
                    outbox.push(packet);
                }
                Output::Timeout(instant) => {
                    self.timeout = Some(self.identity.time(instant));
                    return Ok(session);
                }
                Output::PeerCert(der) => {
                    if fingerprint(der) != self.expected_fingerprint {
                        return Err(
                            "dtls: the server's certificate is not that of the answer".to_owned()
                        );
                    }
                    self.is_verified = true;
                }
                Output::KeyingMaterial(material, profile) => {
                    let profile = match profile {
                        dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
                        dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
                        _ => SrtpProfile::Aes128CmSha1_80,
                    };
                    session =
                        Some(make_session(profile, &material).map_err(|error| error.to_string())?);
                }
                Output::Connected if !self.is_verified => {
                    return Err("dtls: the server showed no certificate".to_owned());
                }
                Output::BufferTooSmall { needed } => {
                    return Err(format!("dtls: a datagram of {needed} bytes"));
                }
                Output::CloseNotify => return Err("dtls: closed by the server".to_owned()),
                _ => {}
            }
        }
    }
}

/// RFC 5764 §4.2: client key, server key, client salt, server salt.
pub(crate) fn make_session(
    profile: SrtpProfile,
    material: &[u8],
) -> Result<SrtpSession, SrtpError> {
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    if material.len() < 2 * (key_bytes + salt_bytes) {
        return Err(SrtpError::BadKey);
    }
    let (client_key, rest) = material.split_at(key_bytes);
    let (server_key, rest) = rest.split_at(key_bytes);
    let (client_salt, rest) = rest.split_at(salt_bytes);
    Ok(SrtpSession {
        profile,
        sender: SrtpSender::new(profile, client_key, client_salt)?,
        receiver: SrtpReceiver::new(profile, server_key, &rest[..salt_bytes])?,
    })
}

/// sha-256 in upper-case hex pairs with colons (RFC 8122 §5).
pub fn fingerprint(der: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let mut text = String::with_capacity(95);
    for (index, byte) in digest.as_ref().iter().enumerate() {
        let separator = if index == 0 { "" } else { ":" };
        let _ = write!(text, "{separator}{byte:02X}");
    }
    text
}
