// What `browsers.py` asks of the room's page: one expression, an object of functions. It reads the page's
// `window.synedrion` and the browser's own WebRTC statistics, and presses one button.
({
  lobbyIsReady() {
    const join = document.querySelector('.lobby-join');
    const shown = document.querySelector('.preview-video');
    return join !== null && !join.disabled && shown?.srcObject?.active === true;
  },

  enter() {
    document.querySelector('.lobby-join').click();
  },

  /** What is received now, by m-line; null while not in the call. */
  async sight() {
    const { peerConnection, state, assignment } = window.synedrion ?? {};
    if (!state || !peerConnection) return null;
    const report = [...(await peerConnection.getStats()).values()];
    const shown = new Set(assignment.values());
    const isOn = (participant, source) =>
      (state.participants.get(participant)?.tracks ?? []).some(
        (track) => track.source === source && !track.is_muted && !track.is_blocked,
      );
    const streams = report
      .filter(({ type }) => type === 'inbound-rtp')
      .map((each) => {
        const carried = state.sources.get(each.mid) ?? {};
        return {
          mid: each.mid,
          kind: each.kind,
          is_expected: shown.has(each.mid) && isOn(carried.participant, carried.source),
          frames: each.framesDecoded ?? 0,
          width: each.frameWidth ?? 0,
          height: each.frameHeight ?? 0,
          freezes: each.freezeCount ?? 0,
          energy: each.totalAudioEnergy ?? 0,
          received: each.packetsReceived ?? 0,
          lost: each.packetsLost ?? 0,
        };
      });
    const pair = report.find(({ type, nominated, state: pairState }) => type === 'candidate-pair' && nominated && pairState === 'succeeded');
    const others = [...state.participants.values()].filter(({ participant }) => participant !== state.self);
    return {
      connection: peerConnection.connectionState,
      round_trip_ms: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
      cameras: others.filter(({ participant }) => isOn(participant, 'camera')).length,
      voices: others.filter(({ participant }) => isOn(participant, 'microphone')).length,
      streams,
    };
  },

  leave() {
    document.querySelector('.control-leave')?.click();
  },

  failure() {
    return document.querySelector('.lobby [role="alert"], .govgr-error-message')?.textContent?.trim() ?? '';
  },
})
