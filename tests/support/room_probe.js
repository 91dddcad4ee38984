// What `participant.py` does inside a page: one expression, an object of functions. Reads the page's
// `window.synedrion` and the browser's WebRTC statistics; touches only controls that people have.
({
  lobbyIsReady(wantsDevices) {
    const join = document.querySelector('.lobby-join');
    const shown = document.querySelector('.preview-video');
    return join !== null && !join.disabled && (!wantsDevices || shown?.srcObject?.active === true);
  },

  enter(name, role) {
    document.querySelector('#name').value = name;
    document.querySelector('#role').value = role;
    document.querySelector('.lobby-join').click();
  },

  press(control) {
    document.querySelector(`.control-${control}`).click();
  },

  say(text) {
    document.querySelector('#chat-input').value = text;
    document.querySelector('.chat-send').click();
  },

  /** Open what a moderator may do to the person called `name`; true once it is open. */
  openActions(name) {
    const people = [...document.querySelectorAll('.person')];
    const person = people.find((each) => each.textContent.includes(name));
    const action = () => person?.querySelector('.person-action') ?? null;
    if (action() === null) person?.querySelector('.person-more').click();
    return action() !== null;
  },

  /** The first action is about the microphone. */
  forbidMicrophone() {
    document.querySelector('.person-action').click();
  },

  /** Send sound although the page is muted, as a page that is not ours might. */
  sendSoundAnyway() {
    for (const { track } of window.synedrion.peerConnection.getSenders()) {
      if (track?.kind === 'audio') track.enabled = true;
    }
  },

  /** The codec agreed first for what is sent of this kind: the one that is sent. */
  agreedCodec(kind) {
    const sender = window.synedrion.peerConnection.getSenders().find(({ track }) => track?.kind === kind);
    return sender?.getParameters().codecs[0]?.mimeType ?? null;
  },

  /** Remember the transport; `isSameTransport` tells whether it is still the one. */
  rememberTransport() {
    window.rememberedTransport = window.synedrion.peerConnection;
  },
  isSameTransport() {
    return window.rememberedTransport === window.synedrion.peerConnection;
  },

  async sight() {
    const { peerConnection, state, link, assignment } = window.synedrion ?? {};
    if (!state || !peerConnection) return null;
    const report = [...(await peerConnection.getStats()).values()];
    const transceivers = peerConnection.getTransceivers();
    const midOf = ({ mid, trackIdentifier }) =>
      mid ?? transceivers.find(({ receiver }) => receiver.track.id === trackIdentifier)?.mid ?? '';
    const carries = (mid) => {
      const { participant = null, source = null } = state.sources.get(mid) ?? {};
      return { mid, participant, source };
    };
    const codecs = new Map(report.filter(({ type }) => type === 'codec').map(({ id, mimeType }) => [id, mimeType]));
    const codec = ({ codecId }) => codecs.get(codecId) ?? null;
    const received = report.filter((each) => each.type === 'inbound-rtp' && each.packetsReceived > 0);
    return {
      link,
      self: state.self,
      participants: [...state.participants.values()],
      speakers: [...state.speakers],
      chat: [...state.chat],
      media_state: state.mediaState,
      connection: peerConnection.connectionState,
      ice_ufrag: /a=ice-ufrag:(\S+)/.exec(peerConnection.currentLocalDescription?.sdp ?? '')?.[1] ?? '',
      assignment: Object.fromEntries(assignment),
      inbound: received.map((each) => ({ ...each, ...carries(midOf(each)), codec: codec(each) })),
      outbound: report.filter((each) => each.type === 'outbound-rtp').map((each) => ({ ...each, codec: codec(each) })),
    };
  },

  /** Measure, until `stopWatch`, each received video stream's longest time without a packet. */
  async startWatch() {
    const { peerConnection } = window.synedrion;
    const watch = { last: new Map(), longest: new Map(), isOn: true };
    window.watchOfStalls = watch;
    const look = async () => {
      if (!watch.isOn) return;
      const report = await peerConnection.getStats();
      const now = performance.now();
      for (const { type, kind, ssrc, packetsReceived } of report.values()) {
        if (type !== 'inbound-rtp' || kind !== 'video') continue;
        const last = watch.last.get(ssrc);
        const stall = last === undefined ? 0 : now - last.at;
        watch.longest.set(ssrc, Math.max(watch.longest.get(ssrc) ?? 0, stall));
        if (last?.packets !== packetsReceived) watch.last.set(ssrc, { packets: packetsReceived, at: now });
      }
      setTimeout(look, 40);
    };
    await look();
  },

  /** Longest stalls in ms, of streams that carried anything at all. */
  stopWatch() {
    const { last, longest } = window.watchOfStalls;
    window.watchOfStalls.isOn = false;
    return [...longest].filter(([ssrc]) => (last.get(ssrc)?.packets ?? 0) > 0).map(([, stall]) => stall);
  },

  hasEnded() {
    return !document.querySelector('#ended').hidden;
  },

  overflow() {
    return document.documentElement.scrollWidth - document.documentElement.clientWidth;
  },

  /** Controls that a finger cannot reach: outside the window, or too small. */
  unreachableControls() {
    const shown = [...document.querySelectorAll('.toolbar button')].filter((each) => each.offsetParent !== null);
    return shown.filter((each) => {
      const { left, right, bottom, width, height } = each.getBoundingClientRect();
      return left < 0 || right > innerWidth || bottom > innerHeight || width < 24 || height < 24;
    }).length;
  },

  /** Counts of what an injection would add. */
  markup() {
    const suspects = ['img', 'b', 'script', 'iframe', '[onerror]'];
    return suspects.map((each) => document.querySelectorAll(each).length);
  },

  isOffered(control) {
    return [...document.querySelectorAll(`.control-${control}`)].some((each) => !each.hidden);
  },

  /** Serious findings of axe-core, which the driver has put into the page. */
  async accessibility() {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    return grave.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join(' | ')}`);
  },
})
