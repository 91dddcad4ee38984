// The audio elements that play the room, one per receive-only audio m-line.

import { element } from './dom.js';

/** @import { Call } from '../call.js' */

export class Sound {
  /** @type {HTMLAudioElement[]} */
  #players = [];

  /** @param {HTMLElement} root @param {Call} call @param {() => void} onBlocked The browser wants a gesture first. */
  constructor(root, call, onBlocked) {
    this.root = root;
    this.call = call;
    this.onBlocked = onBlocked;
    call.addEventListener('streams', () => this.#attach());
  }

  /** Play what was blocked; called from a click. */
  async play() {
    await Promise.all(this.#players.map((player) => player.play().catch(() => {})));
  }

  /** @param {string} deviceId Empty is the system's choice. */
  async chooseSpeaker(deviceId) {
    this.call.own.devices.speaker = deviceId;
    await Promise.all(this.#players.map((player) => applySpeaker(player, deviceId)));
  }

  stop() {
    for (const player of this.#players) player.srcObject = null;
  }

  #attach() {
    const tracks = this.call.media?.audioTracks ?? [];
    tracks.forEach((track, index) => {
      const player = (this.#players[index] ??= this.#make());
      const playing = /** @type {MediaStream | null} */ (player.srcObject);
      if (playing?.getAudioTracks()[0] === track) return;
      player.srcObject = new MediaStream([track]);
      player.play().catch((error) => {
        if (error.name === 'NotAllowedError') this.onBlocked();
      });
    });
  }

  #make() {
    const player = element('audio', { autoplay: true });
    this.root.append(player);
    void applySpeaker(player, this.call.own.devices.speaker);
    return player;
  }
}

/** @param {HTMLMediaElement} player @param {string} deviceId */
export async function applySpeaker(player, deviceId) {
  if (!('setSinkId' in player)) return;
  // A device that is gone leaves the sound where it was.
  await player.setSinkId(deviceId).catch(() => {});
}
