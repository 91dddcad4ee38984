// Cameras, microphones and loudspeakers of this machine: open, list, name what went wrong, measure
// how loud. Holds the two capture tracks of this participant. Touches no page.

/** @typedef {'microphone' | 'camera'} DeviceKind */
/** @typedef {'not_allowed' | 'not_found' | 'in_use' | 'overconstrained' | 'insecure' | 'unsupported' | 'unknown'} DeviceFailure */
/** @typedef {{ cameras: MediaDeviceInfo[], microphones: MediaDeviceInfo[], speakers: MediaDeviceInfo[] }} DeviceLists */

const CAMERA_CONSTRAINTS = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
};
const MICROPHONE_CONSTRAINTS = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const METER_INTERVAL_MS = 100;
/** What the meter shows as silence and as full, in dBFS. Speech at a desk is about −40 to −15. */
const METER_RANGE_DB = { low: -60, high: -10 };

/** @type {Record<string, DeviceFailure>} */
const FAILURES = {
  NotAllowedError: 'not_allowed',
  SecurityError: 'not_allowed',
  NotFoundError: 'not_found',
  NotReadableError: 'in_use',
  AbortError: 'in_use',
  OverconstrainedError: 'overconstrained',
};

/** @param {unknown} error What getUserMedia threw. @returns {DeviceFailure} */
export function failureOf(error) {
  return (error instanceof Error && FAILURES[error.name]) || 'unknown';
}

/** Why no device can be asked for at all here; null if one can. @returns {DeviceFailure | null} */
export function captureObstacle() {
  if (!globalThis.isSecureContext) return 'insecure';
  return navigator.mediaDevices?.getUserMedia === undefined ? 'unsupported' : null;
}

/**
 * The capture tracks and the chosen devices. Events: `change` (a track began, ended or failed, or
 * the list of devices changed).
 */
export class Devices extends EventTarget {
  /** @type {Record<DeviceKind, MediaStreamTrack | null>} */
  tracks = { microphone: null, camera: null };
  /** @type {Record<DeviceKind, DeviceFailure | null>} */
  failures = { microphone: null, camera: null };
  /** @type {Record<DeviceKind, string>} Chosen device ids; empty is the system's choice. */
  chosen = { microphone: '', camera: '' };
  speaker = '';
  /** @type {Record<DeviceKind, number>} Tells a late answer of the browser from the current wish. */
  #generation = { microphone: 0, camera: 0 };

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener('devicechange', () => this.#changed());
  }

  /**
   * Open the device, anew if it is open. A failure is noted, not thrown.
   * @param {DeviceKind} kind
   * @param {string} [deviceId]
   * @returns {Promise<MediaStreamTrack | null>}
   */
  async open(kind, deviceId = this.chosen[kind]) {
    this.chosen[kind] = deviceId;
    const generation = ++this.#generation[kind];
    this.#stop(kind);
    const obstacle = captureObstacle();
    const result = obstacle === null ? await capture(kind, deviceId) : { failure: obstacle };
    if (generation !== this.#generation[kind]) {
      if ('track' in result) result.track.stop();
      return this.tracks[kind];
    }
    this.failures[kind] = 'failure' in result ? result.failure : null;
    if ('track' in result) this.#hold(kind, result.track);
    this.#changed();
    return this.tracks[kind];
  }

  /** Open both with one question to the person; if that fails, find out which one it is. */
  async openBoth() {
    const generation = { camera: ++this.#generation.camera, microphone: ++this.#generation.microphone };
    const { stream, failure } = await captureBoth();
    for (const kind of /** @type {DeviceKind[]} */ (['camera', 'microphone'])) {
      const track = stream?.getTracks().find((each) => each.kind === (kind === 'camera' ? 'video' : 'audio'));
      if (generation[kind] !== this.#generation[kind]) track?.stop();
      else if (track !== undefined) this.#hold(kind, track);
      // Who said no is not asked again at once, unless the no was about the other device.
      else if (failure === 'not_allowed' && !(await isGranted(kind))) this.failures[kind] = failure;
      else await this.open(kind);
    }
    this.#changed();
  }

  /** Release the device, so that its light goes out. @param {DeviceKind} kind */
  close(kind) {
    this.#generation[kind] += 1;
    this.failures[kind] = null;
    this.#stop(kind);
    this.#changed();
  }

  closeAll() {
    this.close('microphone');
    this.close('camera');
  }

  /** @returns {Promise<DeviceLists>} */
  async list() {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    const named = all.filter((device) => device.deviceId !== '');
    return {
      cameras: named.filter((device) => device.kind === 'videoinput'),
      microphones: named.filter((device) => device.kind === 'audioinput'),
      speakers: canChooseSpeaker() ? named.filter((device) => device.kind === 'audiooutput') : [],
    };
  }

  /** @param {DeviceKind} kind @param {MediaStreamTrack} track */
  #hold(kind, track) {
    this.tracks[kind] = track;
    track.addEventListener('ended', () => {
      // Unplugged, or the permission was taken back while in use.
      if (this.tracks[kind] !== track) return;
      this.tracks[kind] = null;
      this.failures[kind] = 'not_found';
      this.#changed();
    });
  }

  /** @param {DeviceKind} kind */
  #stop(kind) {
    this.tracks[kind]?.stop();
    this.tracks[kind] = null;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('change'));
  }
}

/**
 * @param {DeviceKind} kind
 * @param {string} deviceId
 * @returns {Promise<{ track: MediaStreamTrack } | { failure: DeviceFailure }>}
 */
async function capture(kind, deviceId) {
  const device = deviceId === '' ? {} : { deviceId: { exact: deviceId } };
  const constraints =
    kind === 'camera'
      ? { video: { ...CAMERA_CONSTRAINTS, ...device } }
      : { audio: { ...MICROPHONE_CONSTRAINTS, ...device } };
  try {
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    const track = stream.getTracks()[0];
    return track === undefined ? { failure: 'not_found' } : { track };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

/** @returns {Promise<{ stream: MediaStream | null, failure: DeviceFailure | null }>} */
async function captureBoth() {
  const obstacle = captureObstacle();
  if (obstacle !== null) return { stream: null, failure: obstacle };
  try {
    const constraints = { video: CAMERA_CONSTRAINTS, audio: MICROPHONE_CONSTRAINTS };
    return { stream: await navigator.mediaDevices.getUserMedia(constraints), failure: null };
  } catch (error) {
    return { stream: null, failure: failureOf(error) };
  }
}

/** @param {DeviceKind} kind @returns {Promise<boolean>} */
async function isGranted(kind) {
  try {
    return (await navigator.permissions.query({ name: kind })).state === 'granted';
  } catch {
    // A browser that does not tell about devices.
    return false;
  }
}

/** Whether this browser lets a page choose where sound comes out. */
export function canChooseSpeaker() {
  return 'setSinkId' in HTMLMediaElement.prototype;
}

/** @returns {Promise<MediaStreamTrack | DeviceFailure | null>} The screen; null if the person chose none. */
export async function captureScreen() {
  if (navigator.mediaDevices?.getDisplayMedia === undefined) return 'unsupported';
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({
      video: { frameRate: { ideal: 15, max: 30 } },
    });
    const track = stream.getVideoTracks()[0] ?? null;
    if (track !== null) track.contentHint = 'detail';
    return track;
  } catch (error) {
    return failureOf(error) === 'not_allowed' ? null : failureOf(error);
  }
}

/** Measures one track's loudness until stopped. `onLevel` gets 0 (silence) to 1 (full). */
export class LevelMeter {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {number | undefined} */
  #timer;

  /** @param {MediaStreamTrack} track @param {(level: number) => void} onLevel */
  start(track, onLevel) {
    this.stop();
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    // Without a gesture on the page the context starts suspended; the meter then begins with the first one.
    void context.resume();
    const samples = new Float32Array(analyser.fftSize);
    this.#context = context;
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      onLevel(levelOf(samples));
    }, METER_INTERVAL_MS);
  }

  /** A gesture happened: sound may be measured now. */
  resume() {
    void this.#context?.resume();
  }

  stop() {
    clearInterval(this.#timer);
    void this.#context?.close();
    this.#context = null;
  }
}

/** Loudness of samples in [-1, 1] on the meter's scale. @param {Float32Array} samples @returns {number} */
export function levelOf(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length);
  const db = power === 0 ? -Infinity : 10 * Math.log10(power);
  const { low, high } = METER_RANGE_DB;
  return Math.min(1, Math.max(0, (db - low) / (high - low)));
}
