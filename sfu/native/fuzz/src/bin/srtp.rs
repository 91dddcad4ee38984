//! Any packet under a fixed key of the profile that the first byte picks: as it came, and as protected by ourselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::rtp::RtpHeader;
use wire::srtp::{SrtpProfile, SrtpReceiver, SrtpSender};

const PROFILES: [SrtpProfile; 3] = [
    SrtpProfile::AeadAes128Gcm,
    SrtpProfile::AeadAes256Gcm,
    SrtpProfile::Aes128CmSha1_80,
];
const KEY: [u8; 32] = [7; 32];
const SALT: [u8; 14] = [9; 14];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, packet)) = data.split_first() else {
        return;
    };
    let profile = PROFILES[usize::from(choice) % PROFILES.len()];
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    let (key, salt) = (&KEY[..key_bytes], &SALT[..salt_bytes]);
    let mut sender = SrtpSender::new(profile, key, salt).expect("lengths are the profile's");
    let receiver = || SrtpReceiver::new(profile, key, salt).expect("lengths are the profile's");

    let mut foreign = packet.to_vec();
    let _ = receiver().unprotect_rtcp(&mut foreign);
    let mut ours = packet.to_vec();
    if sender.protect_rtcp(&mut ours, 0).is_ok() {
        let length = receiver().unprotect_rtcp(&mut ours).expect("our own RTCP");
        assert_eq!(&ours[..length], packet);
    }

    let Ok(header) = RtpHeader::parse(packet) else {
        return;
    };
    let (header_bytes, ssrc, number) = (header.header_bytes, header.ssrc, header.sequence_number);
    let mut foreign = packet.to_vec();
    let _ = receiver().unprotect_rtp(&mut foreign, header_bytes, ssrc, number);
    let mut ours = packet.to_vec();
    let index = u64::from(number);
    if sender
        .protect_rtp(&mut ours, 0, header_bytes, ssrc, index)
        .is_ok()
    {
        let mut replayed = ours.clone();
        let mut receiver = receiver();
        let length = receiver
            .unprotect_rtp(&mut ours, header_bytes, ssrc, number)
            .expect("our own RTP");
        assert_eq!(&ours[..length], packet);
        let again = receiver.unprotect_rtp(&mut replayed, header_bytes, ssrc, number);
        assert!(again.is_err(), "a replay was accepted");
    }
});
