// What this participant sends: microphone, camera, screen. Keeps device, mute state, transport and
// server in agreement. No page. Events: `change`, `notice` {Notice}.

import { captureScreen } from './devices.js';

/** @import { ClientMessage, Grants } from './messages.js' */
/** @import { Devices, DeviceKind } from './devices.js' */
/** @import { MediaConnection } from './media_connection.js' */
/** @import { Notice } from './room_state.js' */

export class OwnTracks extends EventTarget {
  /** @type {MediaStreamTrack | null} */
  screen = null;
  /** The server refuses to have the camera off: the identity is not confirmed yet. */
  isCameraObligatory = false;
  /** @type {MediaConnection | null} */
  #media = null;
  #isChanging = false;

  /**
   * @param {Devices} devices
   * @param {Record<DeviceKind, boolean>} muted  How to enter.
   * @param {(message: ClientMessage) => unknown} send
   */
  constructor(devices, muted, send) {
    super();
    this.devices = devices;
    this.muted = muted;
    this.send = send;
    devices.addEventListener('change', this.#handleDevices);
  }

  /** What a new transport starts with. */
  get captured() {
    this.#enableMicrophone();
    return {
      microphone: this.devices.tracks.microphone,
      camera: this.muted.camera ? null : this.devices.tracks.camera,
    };
  }

  /** From now on these tracks go through this transport, which has been started with `captured`.
   * @param {MediaConnection} media */
  attach(media) {
    this.#media = media;
    if (this.screen !== null) void media.startScreen(this.screen);
  }

  /** Tell the server what a new transport or socket does not carry by itself. */
  tellMuted() {
    for (const source of /** @type {DeviceKind[]} */ (['microphone', 'camera'])) {
      this.muted[source] ||= this.devices.tracks[source] === null;
      this.send({ type: 'mute', source, muted: this.muted[source] });
    }
  }

  /** The microphone stays open while muted, so that it answers at once. @param {boolean} muted */
  async muteMicrophone(muted) {
    if (!muted && !(await this.#isOpen('microphone'))) return;
    await this.#setMuted('microphone', muted);
  }

  /** Off releases the camera, so that its light goes out. @param {boolean} muted */
  async muteCamera(muted) {
    if (muted && this.isCameraObligatory) return this.#notice({ key: 'notice.camera_obligatory', isImportant: true });
    if (!muted && !(await this.#isOpen('camera'))) return;
    await this.#setMuted('camera', muted);
    if (muted) this.devices.close('camera');
  }

  /** @param {DeviceKind} kind @param {string} deviceId */
  async chooseDevice(kind, deviceId) {
    this.devices.chosen[kind] = deviceId;
    if (this.muted[kind] && this.devices.tracks[kind] === null) return;
    await this.devices.open(kind, deviceId);
  }

  async shareScreen() {
    const captured = await captureScreen();
    if (captured === null) return;
    if (typeof captured === 'string') return this.#notice({ key: 'notice.screen_failed', isImportant: true });
    this.screen = captured;
    captured.addEventListener('ended', () => void this.stopScreen());
    await this.#media?.startScreen(captured);
    this.#changed();
  }

  async stopScreen() {
    const track = this.screen;
    if (track === null) return;
    this.screen = null;
    track.stop();
    this.#changed();
    await this.#media?.stopScreen();
  }

  /** A lost grant mutes for good: nobody goes live by another's click. @param {Grants} grants */
  applyGrants(grants) {
    if (!grants.microphone && !this.muted.microphone) void this.muteMicrophone(true);
    if (!grants.camera && !this.muted.camera) void this.muteCamera(true);
    if (!grants.screen) void this.stopScreen();
  }

  /** Let go of every device. */
  close() {
    this.devices.removeEventListener('change', this.#handleDevices);
    this.screen?.stop();
    this.screen = null;
    this.devices.closeAll();
  }

  /** @param {DeviceKind} kind @returns {Promise<boolean>} */
  async #isOpen(kind) {
    if (this.devices.tracks[kind] !== null) return true;
    this.#isChanging = true;
    const track = await this.devices.open(kind).finally(() => (this.#isChanging = false));
    if (track === null) this.#notice({ key: `notice.${kind}_failed`, isImportant: true });
    return track !== null;
  }

  /** @param {DeviceKind} kind @param {boolean} muted */
  async #setMuted(kind, muted) {
    this.muted[kind] = muted;
    await this.#applyTracks();
    this.send({ type: 'mute', source: kind, muted });
    this.#changed();
  }

  #handleDevices = () => {
    if (this.#isChanging) return;
    void this.#applyTracks();
    for (const kind of /** @type {DeviceKind[]} */ (['microphone', 'camera'])) {
      const isGone = !this.muted[kind] && this.devices.tracks[kind] === null;
      if (!isGone) continue;
      this.#notice({ key: `notice.${kind}_failed`, isImportant: true });
      void this.#setMuted(kind, true);
    }
    this.#changed();
  };

  async #applyTracks() {
    const { microphone, camera } = this.captured;
    await Promise.all([
      this.#media?.replaceTrack('microphone', microphone),
      this.#media?.replaceTrack('camera', camera),
    ]);
  }

  #enableMicrophone() {
    const track = this.devices.tracks.microphone;
    if (track !== null) track.enabled = !this.muted.microphone;
  }

  /** @param {Notice} notice */
  #notice(notice) {
    this.dispatchEvent(new CustomEvent('notice', { detail: notice }));
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('change'));
  }
}
