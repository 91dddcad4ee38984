//! Negotiated media, keys and sources, from Python to the engine's configuration.

use engine::SrtpKeys;
use engine::ids::{Kind, ParticipantId};
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, Tag};
use wire::srtp::SrtpProfile;

use crate::EngineError;
use crate::fields::{Fields, error};

/// LIMIT: a `format_key` is a few fmtp values.
const MAX_FORMAT_KEY_BYTES: usize = 128;
const MID: &str = "a token of 1 to 16 characters";
const PAYLOAD_TYPE: &str = "a payload type 0 to 127";
const SSRC: &str = "an SSRC 0 to 4294967295";

type Dicts<'py> = Vec<Bound<'py, PyDict>>;

/// The list `published` of `set_media`.
pub(crate) fn published(list: &[Bound<'_, PyDict>]) -> PyResult<Vec<PublishConfig>> {
    const KEYS: &[&str] = &["mid", "kind", "codecs", "rids", "ssrcs", "extensions"];
    let read = |(index, dict)| {
        let fields = Fields::new(dict, format!("published[{index}]"), KEYS)?;
        Ok(PublishConfig {
            mid: fields.checked("mid", MID, to_tag)?,
            kind: kind(&fields)?,
            codecs: codecs(&fields)?,
            rids: fields.checked("rids", "a list of rids", to_tags)?,
            ssrcs: fields.required("ssrcs", "a list of (ssrc, rtx ssrc or None)")?,
            extensions: extension_ids(&fields)?,
        })
    };
    list.iter().enumerate().map(read).collect()
}

/// The list `subscribed` of `set_media`.
pub(crate) fn subscribed(list: &[Bound<'_, PyDict>]) -> PyResult<Vec<SubscribeConfig>> {
    const KEYS: &[&str] = &["mid", "kind", "ssrc", "rtx_ssrc", "codecs", "extensions"];
    let read = |(index, dict)| {
        let fields = Fields::new(dict, format!("subscribed[{index}]"), KEYS)?;
        Ok(SubscribeConfig {
            mid: fields.checked("mid", MID, to_tag)?,
            kind: kind(&fields)?,
            ssrc: fields.required("ssrc", SSRC)?,
            rtx_ssrc: fields.optional("rtx_ssrc", SSRC, |_: u32| true)?,
            codecs: codecs(&fields)?,
            extensions: extension_ids(&fields)?,
        })
    };
    list.iter().enumerate().map(read).collect()
}

fn kind(fields: &Fields<'_, '_>) -> PyResult<Kind> {
    fields.checked("kind", "'audio' or 'video'", |name: String| match &*name {
        "audio" => Some(Kind::Audio),
        "video" => Some(Kind::Video),
        _ => None,
    })
}

fn codecs(fields: &Fields<'_, '_>) -> PyResult<Vec<CodecConfig>> {
    let list: Dicts<'_> = fields.required("codecs", "a list of codec parameters")?;
    let place = fields.place("codecs");
    let read = |(index, dict)| codec(dict, format!("{place}[{index}]"));
    list.iter().enumerate().map(read).collect()
}

fn codec(dict: &Bound<'_, PyDict>, place: String) -> PyResult<CodecConfig> {
    const KEYS: &[&str] = &[
        "payload_type",
        "codec",
        "clock_rate",
        "rtx_payload_type",
        "red_payload_type",
        "format_key",
        "has_nack",
    ];
    let fields = Fields::new(dict, place, KEYS)?;
    Ok(CodecConfig {
        payload_type: fields.checked("payload_type", PAYLOAD_TYPE, |pt| {
            is_payload_type(pt).then_some(pt)
        })?,
        codec: fields.checked("codec", "a codec's name", |name: String| to_codec(&name))?,
        clock_rate: fields.checked("clock_rate", "a rate above 0", |rate: u32| {
            (rate > 0).then_some(rate)
        })?,
        rtx_payload_type: fields.optional("rtx_payload_type", PAYLOAD_TYPE, is_payload_type)?,
        red_payload_type: fields.optional("red_payload_type", PAYLOAD_TYPE, is_payload_type)?,
        format_key: fields.checked(
            "format_key",
            "a text of at most 128 bytes",
            |key: String| (key.len() <= MAX_FORMAT_KEY_BYTES).then_some(key),
        )?,
        has_nack: fields.required("has_nack", "a bool")?,
    })
}

fn is_payload_type(payload_type: u8) -> bool {
    payload_type < 128
}

fn to_codec(name: &str) -> Option<Codec> {
    Some(match name {
        "opus" => Codec::Opus,
        "red" => Codec::Red,
        "vp8" => Codec::Vp8,
        "vp9" => Codec::Vp9,
        "h264" => Codec::H264,
        "av1" => Codec::Av1,
        _ => return None,
    })
}

fn extension_ids(fields: &Fields<'_, '_>) -> PyResult<ExtensionIds> {
    const KEYS: &[&str] = &[
        "mid",
        "rid",
        "repaired_rid",
        "absolute_send_time",
        "transport_sequence_number",
        "audio_level",
        "video_orientation",
        "playout_delay",
        "dependency_descriptor",
    ];
    let dict: Bound<'_, PyDict> = fields.required("extensions", "a dict of extension ids")?;
    let fields = Fields::new(&dict, fields.place("extensions"), KEYS)?;
    // RFC 8285 §4.1: 0 is padding, 15 is reserved in the one-byte form.
    let id = |key: &str| {
        fields.optional(key, "an id 1 to 255 other than 15", |id: u8| {
            id != 0 && id != 15
        })
    };
    Ok(ExtensionIds {
        mid: id("mid")?,
        rid: id("rid")?,
        repaired_rid: id("repaired_rid")?,
        absolute_send_time: id("absolute_send_time")?,
        transport_sequence_number: id("transport_sequence_number")?,
        audio_level: id("audio_level")?,
        video_orientation: id("video_orientation")?,
        playout_delay: id("playout_delay")?,
        dependency_descriptor: id("dependency_descriptor")?,
    })
}

#[allow(clippy::needless_pass_by_value, reason = "for Fields::checked")]
fn to_tag(text: String) -> Option<Tag> {
    Tag::new(text.as_bytes())
}

fn to_tags(texts: Vec<String>) -> Option<Vec<Tag>> {
    texts.into_iter().map(to_tag).collect()
}

/// A mid that is an argument of its own.
pub(crate) fn tag(name: &str, text: &str) -> PyResult<Tag> {
    Tag::new(text.as_bytes()).ok_or_else(|| error(name, format_args!("{text:?} is not {MID}")))
}

/// The arguments `publisher` and `publisher_mid` of `set_source`: both or neither.
pub(crate) fn source(
    publisher: Option<u64>,
    publisher_mid: Option<&str>,
) -> PyResult<Option<(ParticipantId, Tag)>> {
    match (publisher, publisher_mid) {
        (None, None) => Ok(None),
        (Some(publisher), Some(mid)) => {
            Ok(Some((ParticipantId(publisher), tag("publisher_mid", mid)?)))
        }
        _ => Err(EngineError::new_err(
            "publisher and publisher_mid: give both or neither",
        )),
    }
}

/// The arguments of `set_srtp_keys`. Errors tell lengths, never keys.
pub(crate) fn srtp_keys(profile: &str, secrets: [&[u8]; 4]) -> PyResult<SrtpKeys> {
    let name = profile;
    let profile = match name {
        "aead_aes_128_gcm" => SrtpProfile::AeadAes128Gcm,
        "aead_aes_256_gcm" => SrtpProfile::AeadAes256Gcm,
        "aes128_cm_sha1_80" => SrtpProfile::Aes128CmSha1_80,
        _ => return Err(error("profile", format_args!("{name:?} is unknown"))),
    };
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    let wanted = [
        ("local_key", key_bytes),
        ("local_salt", salt_bytes),
        ("remote_key", key_bytes),
        ("remote_salt", salt_bytes),
    ];
    for ((argument, bytes), secret) in wanted.into_iter().zip(secrets) {
        if secret.len() != bytes {
            let given = secret.len();
            let what = format_args!("{given} bytes given, {name} has {bytes}");
            return Err(error(argument, what));
        }
    }
    let [local_key, local_salt, remote_key, remote_salt] = secrets.map(<[u8]>::to_vec);
    Ok(SrtpKeys {
        profile,
        local_key,
        local_salt,
        remote_key,
        remote_salt,
    })
}
