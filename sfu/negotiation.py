"""SDP offer → answer for one participant, keeping what must stay the same between offers.

We are ICE-lite and always answer, never offer. Every m-line the client sends on becomes a
`PublishedMedia`, every receive-only one a `SubscribedMedia` whose SSRCs stay for life. RFC 8829
§5.3, RFC 9143.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sfu.answer import Answer, AnsweredMedia, HostCandidate, write_answer
from sfu.codec_choice import CodecChoice, choose_codecs, choose_extensions, choose_rids
from sfu.errors import BadSdp, TooManyStreams, UnsupportedSdp
from sfu.media import (
    CodecName,
    DtlsRole,
    Fingerprint,
    IceCredentials,
    PublishedMedia,
    SubscribedMedia,
)
from sfu.offer import Offer, OfferedMedia, parse_offer
from sfu.values import Kind, TrackSource

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True)
class NegotiationConfig:
    """What is the same for all participants of a worker."""

    candidates: tuple[HostCandidate, ...]
    """Where clients reach the media port."""
    fingerprint: Fingerprint
    """Of the worker's certificate."""
    video_codecs: tuple[CodecName, ...] = (
        CodecName.VP8,
        CodecName.VP9,
        CodecName.H264,
        CodecName.AV1,
    )
    """Most preferred first. VP8 is the one that every browser sends and decodes."""
    has_audio_red: bool = True
    """Agree to audio/red where offered: speech survives single losses."""
    max_audio_streams: int = 3
    """Receive-only audio m-lines of one participant; the engine mixes in that many speakers."""
    max_video_streams: int = 49
    """Receive-only video m-lines of one participant: a 7 × 7 gallery."""


@dataclass(frozen=True)
class Negotiated:
    """Result of one offer."""

    sdp: str
    published: tuple[PublishedMedia, ...]
    subscribed: tuple[SubscribedMedia, ...]
    local_ice: IceCredentials
    remote_ice: IceCredentials
    remote_fingerprints: tuple[Fingerprint, ...]
    dtls_role: DtlsRole
    is_new_transport: bool
    """The first offer, or one of a new RTCPeerConnection: ICE, DTLS and keys start afresh."""
    is_ice_restart: bool
    """New credentials for the same DTLS association."""


@dataclass(frozen=True)
class _Transport:
    """What an offer of the same RTCPeerConnection has in common with the one before."""

    local_ice: IceCredentials
    remote_ice: IceCredentials
    fingerprints: tuple[Fingerprint, ...]
    role: DtlsRole


class Negotiator:
    """One participant's negotiations. A refused offer changes nothing."""

    def __init__(self, config: NegotiationConfig, random_bytes: RandomBytes) -> None:
        self._config = config
        self._random_bytes = random_bytes
        self._session_id = int.from_bytes(random_bytes(8)) >> 2
        self._session_version = 0
        self._cname = _token(random_bytes(12))
        self._transport: _Transport | None = None
        self._ssrcs: dict[str, tuple[int, int]] = {}
        """mid → SSRC and RTX SSRC of its send stream."""

    def handle_offer(self, sdp: str, tracks: Mapping[str, TrackSource]) -> Negotiated:
        """Return the answer to `sdp`; `tracks` says what each m-line that sends carries.

        An m-line not named carries the microphone or the camera.

        Raises:
            BadSdp, UnsupportedSdp, FingerprintMissing, TooManyStreams: nothing has changed then.
        """
        offer = parse_offer(sdp)
        transport, is_new, is_restart = self._decide_transport(offer)
        ssrcs = {} if is_new else dict(self._ssrcs)
        media = self._decide_media(offer, _decide_sources(offer, tracks), ssrcs)
        published = tuple(item.published for item in _accepted(media) if item.published)
        subscribed = tuple(item.subscribed for item in _accepted(media) if item.subscribed)
        if not _accepted(media):
            raise UnsupportedSdp(detail="no m-line that the server can use")
        self._transport, self._ssrcs = transport, ssrcs
        self._session_version += 1
        answer = Answer(
            session_id=self._session_id,
            session_version=self._session_version,
            ice=transport.local_ice,
            fingerprint=self._config.fingerprint,
            setup="passive" if transport.role is DtlsRole.SERVER else "active",
            candidates=self._config.candidates,
            cname=self._cname,
            media=media,
        )
        return Negotiated(
            sdp=write_answer(answer),
            published=published,
            subscribed=subscribed,
            local_ice=transport.local_ice,
            remote_ice=transport.remote_ice,
            remote_fingerprints=transport.fingerprints,
            dtls_role=transport.role,
            is_new_transport=is_new,
            is_ice_restart=is_restart,
        )

    def _decide_transport(self, offer: Offer) -> tuple[_Transport, bool, bool]:
        """Return the transport, whether it is new, and whether ICE restarts."""
        before = self._transport
        # RFC 8842 §5.2: a new fingerprint asks for a new DTLS association.
        if before is None or set(before.fingerprints) != set(offer.fingerprints):
            role = DtlsRole.CLIENT if offer.setup == "passive" else DtlsRole.SERVER
            fresh = _Transport(self._new_credentials(), offer.ice, offer.fingerprints, role)
            return fresh, True, False
        if offer.setup == {DtlsRole.CLIENT: "active", DtlsRole.SERVER: "passive"}[before.role]:
            raise UnsupportedSdp(
                detail="a=setup would swap the roles of a running DTLS association"
            )
        # RFC 8839 §4.4.1.1.1: a restart changes both ufrag and pwd.
        if before.remote_ice != offer.ice:
            local = self._new_credentials()
            return _Transport(local, offer.ice, before.fingerprints, before.role), False, True
        return before, False, False

    def _decide_media(
        self, offer: Offer, sources: Mapping[str, TrackSource], ssrcs: dict[str, tuple[int, int]]
    ) -> tuple[AnsweredMedia | OfferedMedia, ...]:
        media = tuple(self._decide_line(item, offer, sources, ssrcs) for item in offer.media)
        limits = {
            Kind.AUDIO: self._config.max_audio_streams,
            Kind.VIDEO: self._config.max_video_streams,
        }
        for kind, limit in limits.items():
            streams = [item for item in _accepted(media) if item.subscribed]
            if sum(item.offered.kind == kind for item in streams) > limit:
                raise TooManyStreams(what=f"receive-only {kind} m-lines", limit=limit)
        return media

    def _decide_line(
        self,
        media: OfferedMedia,
        offer: Offer,
        sources: Mapping[str, TrackSource],
        ssrcs: dict[str, tuple[int, int]],
    ) -> AnsweredMedia | OfferedMedia:
        """Answer one m-line; returning `media` itself rejects it."""
        if not _is_usable(media, offer):
            return media
        config = self._config
        preference = (CodecName.OPUS,) if media.kind == Kind.AUDIO else config.video_codecs
        choice = choose_codecs(media, preference, config.has_audio_red)
        if not choice.parameters:
            return media
        if not media.has_rtcp_mux:
            raise UnsupportedSdp(detail="a=rtcp-mux is required", mid=media.mid)
        if media.direction == "inactive":
            return AnsweredMedia(media, choice.answered, {})
        if media.direction == "recvonly":
            return self._subscribe(media, choice, ssrcs)
        return _publish(media, choice, sources[media.mid])

    def _subscribe(
        self, media: OfferedMedia, choice: CodecChoice, ssrcs: dict[str, tuple[int, int]]
    ) -> AnsweredMedia:
        agreed = choose_extensions(media, is_published=False)
        if media.mid not in ssrcs:
            ssrcs[media.mid] = self._new_ssrc_pair(ssrcs)
        ssrc, rtx_ssrc = ssrcs[media.mid]
        has_rtx = any(codec.rtx_payload_type is not None for codec in choice.parameters)
        subscribed = SubscribedMedia(
            mid=media.mid,
            kind=Kind(media.kind),
            ssrc=ssrc,
            rtx_ssrc=rtx_ssrc if has_rtx else None,
            codecs=choice.parameters,
            extensions={extension: item.id for extension, item in agreed.items()},
        )
        return AnsweredMedia(media, choice.answered, agreed, subscribed=subscribed)

    def _new_credentials(self) -> IceCredentials:
        # RFC 8445 §5.3: at least 24 bits for the ufrag, 128 for the password.
        return IceCredentials(_token(self._random_bytes(6)), _token(self._random_bytes(18)))

    def _new_ssrc_pair(self, ssrcs: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
        taken = {0} | {ssrc for pair in ssrcs.values() for ssrc in pair}
        pair: list[int] = []
        while len(pair) < 2:  # bounded: a taken one is a chance of about 10⁻⁷
            ssrc = int.from_bytes(self._random_bytes(4))
            if ssrc not in taken:
                taken.add(ssrc)
                pair.append(ssrc)
        return pair[0], pair[1]


def _publish(media: OfferedMedia, choice: CodecChoice, source: TrackSource) -> AnsweredMedia:
    agreed = choose_extensions(media, is_published=True)
    published = PublishedMedia(
        mid=media.mid,
        source=source,
        codecs=choice.parameters,
        rids=choose_rids(media, agreed),
        ssrcs=media.ssrcs,
        extensions={extension: item.id for extension, item in agreed.items()},
    )
    return AnsweredMedia(media, choice.answered, agreed, published=published)


def _decide_sources(offer: Offer, tracks: Mapping[str, TrackSource]) -> dict[str, TrackSource]:
    """Return what each sending m-line carries."""
    sending = {
        media.mid: media.kind
        for media in offer.media
        if media.kind in _DEFAULT_SOURCES
        and media.direction in ("sendonly", "sendrecv")
        and _is_usable(media, offer)
    }
    known = {media.mid for media in offer.media}
    for mid in tracks:
        if mid not in known:
            raise BadSdp(detail="tracks names an m-line that the offer does not have", mid=mid[:16])
    sources: dict[str, TrackSource] = {}
    for mid, kind in sending.items():
        source = tracks.get(mid, _DEFAULT_SOURCES[kind])
        if source.kind != kind:
            raise BadSdp(detail=f"{source} on an m-line of kind {kind}", mid=mid)
        if source in sources.values():
            raise BadSdp(detail=f"two m-lines carry the {source}", mid=mid)
        sources[mid] = source
    return sources


def _is_usable(media: OfferedMedia, offer: Offer) -> bool:
    return media.kind in _DEFAULT_SOURCES and not media.is_stopped and media.mid in offer.bundled


def _accepted(media: tuple[AnsweredMedia | OfferedMedia, ...]) -> list[AnsweredMedia]:
    return [item for item in media if isinstance(item, AnsweredMedia)]


def _token(random: bytes) -> str:
    """Return `random` as ice-chars (RFC 8839 §5.4: ALPHA, DIGIT, + and /)."""
    return base64.b64encode(random).decode().rstrip("=")


_DEFAULT_SOURCES = {"audio": TrackSource.MICROPHONE, "video": TrackSource.CAMERA}
