// What was found → what it means. Pure: thresholds, verdicts, the report.

/** @import { Platform } from './platform.js' */

/** @typedef {'browser' | 'camera' | 'microphone' | 'speaker' | 'server' | 'path' | 'quality'} Point */
/** @typedef {'ok' | 'warn' | 'fail' | 'unknown'} Level */
/** @typedef {{ point: Point, level: Level, code: string, numbers: Record<string, number> }} Verdict */

/** @type {Point[]} */
export const POINTS = ['browser', 'camera', 'microphone', 'speaker', 'server', 'path', 'quality'];

/** @typedef {{ isSecure: boolean, hasCalls: boolean, canEncrypt: boolean }} BrowserFinding */
/** `luma` is from 0 to 255. @typedef {{ failure: string | null, width?: number, height?: number, framesPerSecond?: number, luma?: number }} CameraFinding */
/** Levels as the meter has them, from 0 to 1. @typedef {{ failure: string | null, peak?: number, floor?: number, isMuted?: boolean }} MicrophoneFinding */
/** @typedef {{ answer: 'yes' | 'no' | 'none' }} SpeakerFinding */
/** @typedef {{ failure: string | null, joinMs?: number }} ServerFinding */
/** @typedef {{ failure: 'no_answer' | 'no_path' | 'no_handshake' | null, candidate?: string, protocol?: string, connectMs?: number, port?: number }} PathFinding */
/**
 * @typedef {object} QualityFinding
 * @property {number | null} roundTripMs
 * @property {number | null} jitterMs
 * @property {number | null} lossUpPercent
 * @property {number | null} lossDownPercent
 * @property {number} upKbps
 * @property {number} downKbps
 * @property {boolean} isSlowDevice  The browser itself said that the processor limits the picture.
 */

/** Standard definition: with one picture sent and a few small ones received a meeting is pleasant. */
export const GOOD_KBPS = 500;
/** Opus with its headers takes about 50; the lowest layer of a camera 150 more. Below: sound only. */
export const LOWEST_KBPS = 150;
/** Nothing but sound, and not always. */
export const SOUND_KBPS = 60;
/** ITU-T G.114: 150 ms one way is not noticed, 400 ms is the limit; here and back, twice. */
export const ROUND_TRIP_MS = { good: 300, bad: 800 };
/** Repairs hide 2 %; Opus and retransmission stay intelligible to about 10 %. */
export const LOSS_PERCENT = { good: 2, bad: 10 };
export const GOOD_JITTER_MS = 60;
/** A dark room gives about 20; a closed shutter 0 to 5 (or 16, black of the video range). */
export const DARK_LUMA = 17;
const SMALL_HEIGHT = 360;
const FEWEST_FRAMES_PER_SECOND = 5;
/** On the meter's scale, −60 to −10 dBFS: speech at a desk peaks above a half. */
export const SPEECH_PEAK = 0.3;
export const SPEECH_RANGE = 0.12;
/** Exact zeros or their dither: a hardware switch, or the system's mute. */
export const SILENCE_PEAK = 0.02;

/** @param {Point} point @param {Level} level @param {string} code @param {Record<string, number | null | undefined>} [numbers] @returns {Verdict} */
function verdict(point, level, code, numbers = {}) {
  /** @type {Record<string, number>} */
  const known = {};
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value === 'number' && Number.isFinite(value)) known[name] = Math.round(value * 10) / 10;
  }
  return { point, level, code, numbers: known };
}

/** @param {BrowserFinding} found */
export function judgeBrowser({ isSecure, hasCalls, canEncrypt }) {
  if (!isSecure) return verdict('browser', 'fail', 'insecure');
  if (!hasCalls) return verdict('browser', 'fail', 'unsupported');
  return canEncrypt ? verdict('browser', 'ok', 'ok') : verdict('browser', 'warn', 'no_encryption');
}

/** @param {CameraFinding} found */
export function judgeCamera({ failure, width, height, framesPerSecond, luma }) {
  if (failure !== null) return verdict('camera', levelOfFailure(failure), failure);
  const numbers = { width, height, frames_per_second: framesPerSecond, luma };
  if ((framesPerSecond ?? 0) < 1) return verdict('camera', 'fail', 'frozen', numbers);
  if ((luma ?? 255) < DARK_LUMA) return verdict('camera', 'warn', 'dark', numbers);
  const short = Math.min(width ?? 0, height ?? 0);
  if (short < SMALL_HEIGHT) return verdict('camera', 'warn', 'small', numbers);
  if ((framesPerSecond ?? 0) < FEWEST_FRAMES_PER_SECOND) return verdict('camera', 'warn', 'slow', numbers);
  return verdict('camera', 'ok', 'ok', numbers);
}

/** @param {MicrophoneFinding} found */
export function judgeMicrophone({ failure, peak = 0, floor = 0, isMuted = false }) {
  if (failure !== null) return verdict('microphone', levelOfFailure(failure), failure);
  const numbers = { peak_percent: peak * 100, floor_percent: floor * 100 };
  if (isMuted) return verdict('microphone', 'fail', 'muted', numbers);
  if (peak < SILENCE_PEAK) return verdict('microphone', 'fail', 'silent', numbers);
  if (peak < SPEECH_PEAK || peak - floor < SPEECH_RANGE) return verdict('microphone', 'warn', 'quiet', numbers);
  return verdict('microphone', 'ok', 'ok', numbers);
}

/** Whether somebody has been heard: no need to measure on. @param {number} peak @param {number} floor */
export function isSpeech(peak, floor) {
  return peak >= SPEECH_PEAK && peak - floor >= SPEECH_RANGE;
}

/** @param {SpeakerFinding} found */
export function judgeSpeaker({ answer }) {
  if (answer === 'yes') return verdict('speaker', 'ok', 'ok');
  return answer === 'no' ? verdict('speaker', 'fail', 'not_heard') : verdict('speaker', 'unknown', 'unanswered');
}

const BUSY = new Set(['too_many_checks', 'rate_limited', '429']);

/** @param {ServerFinding} found */
export function judgeServer({ failure, joinMs }) {
  if (failure === null) return verdict('server', 'ok', 'ok', { join_ms: joinMs });
  if (BUSY.has(failure)) return verdict('server', 'unknown', 'busy');
  if (failure === 'socket_blocked' || failure === 'unreachable') return verdict('server', 'fail', failure);
  return verdict('server', 'fail', 'unavailable');
}

/** @param {PathFinding | null} found Null: it could not be tried. */
export function judgePath(found) {
  if (found === null) return verdict('path', 'unknown', 'skipped');
  const numbers = { connect_ms: found.connectMs, port: found.port };
  if (found.failure !== null) return verdict('path', 'fail', found.failure, numbers);
  if (found.candidate === 'relay') return verdict('path', 'ok', 'relay', numbers);
  return found.protocol === 'tcp' ? verdict('path', 'warn', 'tcp', numbers) : verdict('path', 'ok', 'ok', numbers);
}

/** @param {QualityFinding | null} found Null: it could not be measured. */
export function judgeQuality(found) {
  if (found === null) return verdict('quality', 'unknown', 'skipped');
  const { roundTripMs, jitterMs, lossUpPercent, lossDownPercent, upKbps, downKbps, isSlowDevice } = found;
  const numbers = {
    up_kbps: upKbps,
    down_kbps: downKbps,
    round_trip_ms: roundTripMs,
    jitter_ms: jitterMs,
    loss_up_percent: lossUpPercent,
    loss_down_percent: lossDownPercent,
  };
  const [level, code] = levelOfQuality(found);
  if (isSlowDevice && code.startsWith('slow')) return verdict('quality', 'warn', 'slow_device', numbers);
  return verdict('quality', level, code, numbers);
}

/** @param {QualityFinding} found @returns {[Level, string]} The worst first. */
function levelOfQuality({ roundTripMs, jitterMs, lossUpPercent, lossDownPercent, upKbps, downKbps }) {
  const loss = Math.max(lossUpPercent ?? 0, lossDownPercent ?? 0);
  const delayMs = roundTripMs ?? 0;
  const kbps = Math.min(upKbps, downKbps);
  if (kbps === 0) return ['fail', upKbps === 0 ? 'nothing_sent' : 'nothing_received'];
  if (kbps < SOUND_KBPS) return ['fail', 'slow_bad'];
  if (loss > LOSS_PERCENT.bad) return ['fail', 'lossy_bad'];
  if (delayMs > ROUND_TRIP_MS.bad) return ['fail', 'late_bad'];
  if (kbps < LOWEST_KBPS) return ['warn', 'slow_sound'];
  if (kbps < GOOD_KBPS) return ['warn', 'slow'];
  if (loss > LOSS_PERCENT.good) return ['warn', 'lossy'];
  if (delayMs > ROUND_TRIP_MS.good) return ['warn', 'late'];
  if ((jitterMs ?? 0) > GOOD_JITTER_MS) return ['warn', 'uneven'];
  return ['ok', 'ok'];
}

/** Without a device one can take part and listen; one that is refused or broken can be mended. @param {string} failure @returns {Level} */
function levelOfFailure(failure) {
  return failure === 'not_found' ? 'warn' : 'fail';
}

/** The worst of them; `unknown` counts as a warning. @param {readonly Verdict[]} verdicts @returns {'ok' | 'warn' | 'fail'} */
export function overall(verdicts) {
  if (verdicts.some(({ level }) => level === 'fail')) return 'fail';
  return verdicts.every(({ level }) => level === 'ok') ? 'ok' : 'warn';
}

/**
 * Codes and numbers only: no names of devices, no addresses.
 * @param {Platform} platform @param {readonly Verdict[]} verdicts @param {number} tookMs
 * @returns {Record<string, string | number>}
 */
export function reportOf(platform, verdicts, tookMs) {
  /** @type {Record<string, string | number>} */
  const report = {
    report: 1,
    system: platform.system,
    browser: platform.browser,
    version: platform.version,
    took_ms: Math.round(tookMs),
    result: overall(verdicts),
  };
  for (const { point, code, numbers } of verdicts) {
    report[`${point}_code`] = code;
    for (const [name, value] of Object.entries(numbers)) report[`${point}_${name}`] = value;
  }
  return report;
}

/** @param {Record<string, string | number>} report As people read it. */
export function reportText(report) {
  return Object.entries(report)
    .map(([key, value]) => `${key}: ${value}`)
    .join('\n');
}
