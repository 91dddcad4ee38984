use super::*;
use crate::media_config::CodecConfig;
use wire::codec::Codec;

fn tag(text: &str) -> Tag {
    Tag::new(text.as_bytes()).expect("a token")
}

fn codec(payload_type: u8, rtx: Option<u8>, red: Option<u8>) -> CodecConfig {
    CodecConfig {
        payload_type,
        codec: if rtx.is_some() {
            Codec::Vp8
        } else {
            Codec::Opus
        },
        clock_rate: 90_000,
        rtx_payload_type: rtx,
        red_payload_type: red,
        format_key: String::new(),
        has_nack: rtx.is_some(),
    }
}

fn audio(mid: &str) -> PublishConfig {
    PublishConfig {
        mid: tag(mid),
        kind: Kind::Audio,
        codecs: vec![codec(111, None, Some(63))],
        rids: vec![],
        ssrcs: vec![],
        extensions: ExtensionIds {
            mid: Some(4),
            audio_level: Some(1),
            ..ExtensionIds::default()
        },
    }
}

fn video(mid: &str, rids: &[&str], ssrcs: &[(u32, Option<u32>)]) -> PublishConfig {
    PublishConfig {
        mid: tag(mid),
        kind: Kind::Video,
        codecs: vec![codec(96, Some(97), None)],
        rids: rids.iter().map(|rid| tag(rid)).collect(),
        ssrcs: ssrcs.to_vec(),
        extensions: ExtensionIds {
            mid: Some(4),
            rid: Some(10),
            ..ExtensionIds::default()
        },
    }
}

const QHF: &[&str] = &["q", "h", "f"];

/// (mid, rid, repaired rid); empty is absent.
fn says<'a>(mid: &'a str, rid: &'a str, repaired_rid: &'a str) -> Extensions<'a> {
    let some = |text: &'a str| (!text.is_empty()).then_some(text.as_bytes());
    Extensions {
        mid: some(mid),
        rid: some(rid),
        repaired_rid: some(repaired_rid),
        ..Extensions::default()
    }
}

fn table(published: &[PublishConfig]) -> SsrcTable {
    let mut table = SsrcTable::default();
    table.set_media(published);
    table
}

/// Resolve into (track, encoding, is a retransmission).
fn ask(
    table: &mut SsrcTable,
    published: &[PublishConfig],
    ssrc: u32,
    payload_type: u8,
    extensions: &Extensions<'_>,
) -> Result<(u8, u8, bool), DropReason> {
    table
        .resolve(published, ssrc, payload_type, extensions)
        .map(|binding| (binding.track, binding.encoding, binding.is_retransmission))
}

#[test]
fn chromium_binds_by_mid_and_rid_and_then_stops_sending_them() {
    let published = [audio("0"), video("1", QHF, &[])];
    let mut table = table(&published);
    // (ssrc, payload type, extensions, where)
    let cases = [
        (1, 111, says("0", "", ""), (0, 0, false)),
        (10, 96, says("1", "q", ""), (1, 0, false)),
        (11, 96, says("1", "h", ""), (1, 1, false)),
        (12, 96, says("1", "f", ""), (1, 2, false)),
        (20, 97, says("1", "", "q"), (1, 0, true)),
        (22, 97, says("1", "", "f"), (1, 2, true)),
    ];
    for (ssrc, payload_type, extensions, expected) in &cases {
        assert_eq!(
            ask(&mut table, &published, *ssrc, *payload_type, extensions),
            Ok(*expected)
        );
    }
    for (ssrc, payload_type, _, expected) in cases {
        assert_eq!(
            ask(
                &mut table,
                &published,
                ssrc,
                payload_type,
                &says("", "", "")
            ),
            Ok(expected)
        );
    }
    assert_eq!(table.iter().count(), 6);
}

#[test]
fn chromium_may_send_the_rid_before_the_mid_is_acknowledged_alone() {
    let published = [audio("0"), video("1", QHF, &[])];
    let mut one = table(&published);
    assert_eq!(
        ask(&mut one, &published, 5, 96, &says("", "h", "")),
        Ok((1, 1, false))
    );
    let published = [video("1", QHF, &[]), video("2", QHF, &[])];
    let mut two = table(&published);
    assert_eq!(
        ask(&mut two, &published, 5, 96, &says("", "h", "")),
        Err(DropReason::UnknownSsrc)
    );
}

#[test]
fn firefox_binds_by_signalled_ssrcs_and_the_rid_rules_where_they_differ() {
    let signalled = [(10, Some(20)), (11, Some(21)), (12, Some(22))];
    let published = [audio("0"), video("1", QHF, &signalled)];
    let mut table = table(&published);
    assert_eq!(
        ask(&mut table, &published, 21, 97, &says("", "", "")),
        Ok((1, 1, true))
    );
    assert_eq!(
        ask(&mut table, &published, 12, 96, &says("", "", "")),
        Ok((1, 2, false))
    );
    assert_eq!(
        ask(&mut table, &published, 10, 96, &says("", "h", "")),
        Ok((1, 1, false))
    );
    assert_eq!(
        ask(&mut table, &published, 22, 97, &says("1", "f", "")),
        Ok((1, 2, true))
    );
}

#[test]
fn without_any_hint_the_payload_type_decides_if_only_one_free_place_fits() {
    let published = [audio("0"), video("1", &[], &[])];
    let mut one = table(&published);
    let nothing = says("", "", "");
    assert_eq!(
        ask(&mut one, &published, 1, 63, &nothing),
        Ok((0, 0, false))
    );
    assert_eq!(
        ask(&mut one, &published, 2, 96, &nothing),
        Ok((1, 0, false))
    );
    assert_eq!(ask(&mut one, &published, 3, 97, &nothing), Ok((1, 0, true)));
    assert_eq!(
        ask(&mut one, &published, 4, 96, &nothing),
        Err(DropReason::UnknownSsrc),
        "taken"
    );
    assert_eq!(
        ask(&mut one, &published, 5, 35, &nothing),
        Err(DropReason::UnknownSsrc)
    );

    let published = [audio("0"), audio("1")];
    let mut two = table(&published);
    assert_eq!(
        ask(&mut two, &published, 1, 111, &nothing),
        Err(DropReason::UnknownSsrc),
        "which?"
    );
    assert_eq!(
        ask(&mut two, &published, 1, 111, &says("1", "", "")),
        Ok((1, 0, false))
    );
}

#[test]
fn claims_that_fit_nothing_are_refused() {
    let published = [audio("0"), video("1", QHF, &[(10, None)])];
    // (ssrc, payload type, extensions)
    let cases = [
        (1, 96, says("9", "", "")),
        (1, 96, says("1", "x", "")),
        (1, 96, says("1", "", "")),
        (1, 96, says("0", "", "")),
        (1, 111, says("0", "q", "")),
        (10, 96, says("9", "", "")),
    ];
    for (ssrc, payload_type, extensions) in cases {
        let mut table = table(&published);
        let result = ask(&mut table, &published, ssrc, payload_type, &extensions);
        assert_eq!(result, Err(DropReason::UnknownSsrc), "{extensions:?}");
        assert_eq!(table.iter().count(), 0);
    }
}

#[test]
fn a_new_ssrc_takes_the_place_and_stragglers_of_the_old_do_not_take_it_back() {
    let published = [video("1", QHF, &[])];
    let mut table = table(&published);
    let (q, h) = (says("1", "q", ""), says("1", "h", ""));
    ask(&mut table, &published, 10, 96, &q).expect("bound");
    ask(&mut table, &published, 11, 96, &h).expect("bound");
    assert_eq!(ask(&mut table, &published, 30, 96, &q), Ok((0, 0, false)));
    assert_eq!(
        ask(&mut table, &published, 10, 96, &q),
        Err(DropReason::UnknownSsrc)
    );
    assert_eq!(table.get(30).map(|binding| binding.encoding), Some(0));
    assert_eq!(table.get(11).map(|binding| binding.encoding), Some(1));

    table.remove(30);
    assert_eq!(
        ask(&mut table, &published, 30, 96, &q),
        Ok((0, 0, false)),
        "after BYE"
    );
}

#[test]
fn renegotiation_keeps_what_stays_and_drops_what_changed() {
    let before = [audio("0"), video("1", QHF, &[]), video("2", &[], &[])];
    let mut table = table(&before);
    ask(&mut table, &before, 1, 111, &says("0", "", "")).expect("bound");
    ask(&mut table, &before, 12, 96, &says("1", "f", "")).expect("bound");
    ask(&mut table, &before, 40, 96, &says("2", "", "")).expect("bound");

    // The audio is gone, so indices move; the rids of the last changed.
    let after = [video("1", QHF, &[]), video("2", &["a", "b"], &[])];
    table.set_media(&after);

    assert_eq!(table.iter().collect::<Vec<_>>().len(), 1);
    assert_eq!(
        ask(&mut table, &after, 12, 96, &says("", "", "")),
        Ok((0, 2, false))
    );
    assert_eq!(table.extension_ids().rid, Some(10));
    assert_eq!(table.extension_ids().audio_level, None);
}

#[test]
fn extension_ids_of_all_media_are_known_together() {
    let table = table(&[audio("0"), video("1", QHF, &[])]);
    let ids = table.extension_ids();
    assert_eq!(
        (ids.mid, ids.audio_level, ids.rid),
        (Some(4), Some(1), Some(10))
    );
}

#[test]
fn the_number_of_ssrcs_is_bounded() {
    let published: Vec<_> = (0..60).map(|mid| audio(&mid.to_string())).collect();
    let mut table = table(&published);
    for mid in 0..60u32 {
        let text = mid.to_string();
        let result = ask(&mut table, &published, mid, 111, &says(&text, "", ""));
        assert_eq!(result.is_ok(), mid < MAX_SSRCS as u32, "{result:?}");
    }
    assert_eq!(table.iter().count(), MAX_SSRCS);
}
