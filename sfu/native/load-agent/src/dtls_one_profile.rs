//! The client's DTLS 1.2 handshake by OpenSSL, for participants that offer one SRTP profile alone: `dimpl` always offers all.
//! Sans-IO but for OpenSSL's own clock, by which it sends again what was lost.

use crate::dtls::{SrtpSession, fingerprint, make_session};
use crate::outbox::Outbox;
use crate::protocol::SrtpOffer;
use crate::time::{MILLISECOND, Time};
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use openssl::x509::X509;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use wire::srtp::SrtpProfile;

/// How often OpenSSL is asked whether its timer (1 s, then doubled) is over.
const POLL_INTERVAL: u64 = 100 * MILLISECOND;
/// What fits any path, headers of UDP and IPv6 left out.
const MTU_BYTES: u32 = 1_200;
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";

/// Both directions of a handshake's datagrams, one at a time.
#[derive(Debug, Default)]
struct Datagrams {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for Datagrams {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One handshake.
pub struct OneProfileDtls {
    stream: SslStream<Datagrams>,
    profile: SrtpProfile,
    is_done: bool,
}

impl OneProfileDtls {
    /// Be ready to start. `certificate` and `key` are DER; `offer` is not [`SrtpOffer::All`].
    ///
    /// # Errors
    /// What OpenSSL refuses.
    pub fn new(certificate: &[u8], key: &[u8], offer: SrtpOffer) -> Result<Self, String> {
        let (name, profile) = match offer {
            SrtpOffer::Aes128CmSha1_80 => ("SRTP_AES128_CM_SHA1_80", SrtpProfile::Aes128CmSha1_80),
            _ => ("SRTP_AEAD_AES_128_GCM", SrtpProfile::AeadAes128Gcm),
        };
        let stream = open(certificate, key, name).map_err(|error| format!("dtls: {error}"))?;
        Ok(Self {
            stream,
            profile,
            is_done: false,
        })
    }

    /// When to call `advance` again if nothing comes.
    pub fn next_timeout(&self, now: Time) -> Option<Time> {
        (!self.is_done).then(|| now.after(POLL_INTERVAL))
    }

    /// Go on, with a datagram if one came. Gives the session when it is made.
    ///
    /// # Errors
    /// Why the handshake failed for good.
    pub fn advance(
        &mut self,
        datagram: Option<&[u8]>,
        expected_fingerprint: &str,
        outbox: &mut Outbox,
    ) -> Result<Option<SrtpSession>, String> {
        let queue = &mut self.stream.get_mut().incoming;
        queue.extend(datagram.map(<[u8]>::to_vec));
        // Done, it is only called for what came late: OpenSSL answers a repeated flight by itself.
        let result = if self.is_done {
            self.stream.ssl_read(&mut [0; 64]).map(|_| ())
        } else {
            self.stream.do_handshake()
        };
        for datagram in self.stream.get_mut().outgoing.drain(..) {
            outbox.push(&datagram);
        }
        match result {
            _ if self.is_done => Ok(None),
            Ok(()) => self.finish(expected_fingerprint).map(Some),
            Err(error) if error.code() == ErrorCode::WANT_READ => Ok(None),
            Err(error) => Err(format!("dtls: {error}")),
        }
    }

    fn finish(&mut self, expected_fingerprint: &str) -> Result<SrtpSession, String> {
        let ssl = self.stream.ssl();
        let seen = ssl
            .peer_certificate()
            .and_then(|certificate| certificate.to_der().ok());
        let seen = seen.ok_or("dtls: the server showed no certificate")?;
        if fingerprint(&seen) != expected_fingerprint {
            return Err("dtls: the server's certificate is not that of the answer".to_owned());
        }
        if ssl.selected_srtp_profile().is_none() {
            return Err("dtls: the server takes no such SRTP profile".to_owned());
        }
        let (key_bytes, salt_bytes) = self.profile.key_and_salt_bytes();
        let mut material = vec![0; 2 * (key_bytes + salt_bytes)];
        ssl.export_keying_material(&mut material, EXPORTER, None)
            .map_err(|error| format!("dtls: {error}"))?;
        self.is_done = true;
        make_session(self.profile, &material).map_err(|error| error.to_string())
    }
}

fn open(certificate: &[u8], key: &[u8], profile: &str) -> Result<SslStream<Datagrams>, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_tlsext_use_srtp(profile)?;
    let certificate = X509::from_der(certificate)?;
    let key = PKey::private_key_from_der(key)?;
    context.set_certificate(&certificate)?;
    context.set_private_key(&key)?;
    context.set_options(SslOptions::NO_QUERY_MTU);
    // RFC 8122: the certificate is judged by its fingerprint, in `finish`.
    context.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
    let mut ssl = Ssl::new(&context.build())?;
    ssl.set_mtu(MTU_BYTES)?;
    ssl.set_connect_state();
    SslStream::new(ssl, Datagrams::default())
}
