"""A page whose functions make offers as our client does, for negotiation with real browsers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

PEER_PAGE = """<!doctype html><title>peer</title><script>
'use strict';
let pc;
const gathered = () => new Promise(done => {
  const check = () => pc.iceGatheringState === 'complete' && done();
  pc.addEventListener('icegatheringstatechange', check); check(); setTimeout(done, 3000);
});
// One sending microphone and camera (simulcast if asked), then receive-only m-lines.
async function offer({simulcast, audio = 3, video = 4}) {
  const stream = await navigator.mediaDevices.getUserMedia(
    {audio: true, video: {width: 1280, height: 720}});
  pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  const [microphone] = stream.getAudioTracks(), [camera] = stream.getVideoTracks();
  pc.addTransceiver(microphone, {direction: 'sendonly', streams: [stream]});
  const sendEncodings = simulcast
    ? [{rid: 'q', scaleResolutionDownBy: 4}, {rid: 'h', scaleResolutionDownBy: 2}, {rid: 'f'}]
    : [{}];
  pc.addTransceiver(camera, {direction: 'sendonly', streams: [stream], sendEncodings});
  for (let i = 0; i < audio; i++) pc.addTransceiver('audio', {direction: 'recvonly'});
  for (let i = 0; i < video; i++) pc.addTransceiver('video', {direction: 'recvonly'});
  return describe();
}
// What a page that knows nothing of us would send.
async function plainOffer() {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  pc = new RTCPeerConnection();
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
  pc.createDataChannel('chat');
  return describe();
}
async function moreVideo() {
  pc.addTransceiver('video', {direction: 'recvonly'});
  return describe();
}
async function restart() { pc.restartIce(); return describe(); }
async function describe() {
  await pc.setLocalDescription(await pc.createOffer());
  await gathered();
  return pc.localDescription.sdp;
}
async function accept(sdp) {
  await pc.setRemoteDescription({type: 'answer', sdp});
  return {
    signaling: pc.signalingState,
    directions: Object.fromEntries(pc.getTransceivers().map(t => [t.mid, t.currentDirection])),
    rids: pc.getSenders().filter(s => s.track)
      .map(s => s.getParameters().encodings.filter(e => e.active !== false)
        .map(e => e.rid ?? null)),
    codecs: Object.fromEntries(pc.getTransceivers().map(t => [t.mid, (t.sender.track
      ? t.sender.getParameters() : t.receiver.getParameters()).codecs.map(c => c.mimeType)])),
  };
}
</script>"""


@contextlib.asynccontextmanager
async def peer_page_server() -> AsyncIterator[str]:
    """Serve the page on 127.0.0.1 (a secure context) and yield its address."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PEER_PAGE, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
