// Opens camera and microphone and looks at what they give. Nothing is sent anywhere.

import { Devices, LevelMeter } from '../devices.js';
import { isSpeech } from './verdict.js';

/** @import { CameraFinding, MicrophoneFinding } from './verdict.js' */

/** A person answers the browser's question; who does not is told so. */
const PERMISSION_MS = 15_000;
const FIRST_FRAME_MS = 4000;
const FRAMES_MS = 1500;
const SPEECH_MS = 6000;
const LUMA_SIZE = 16;

/** Open both with one question. @param {Devices} devices @returns {Promise<boolean>} Whether the question was answered. */
export async function openDevices(devices) {
  const unanswered = pause(PERMISSION_MS).then(() => false);
  return Promise.race([devices.openBoth().then(() => true), unanswered]);
}

/** @param {Devices} devices @param {HTMLVideoElement} video Shows what the camera sees. @returns {Promise<CameraFinding>} */
export async function checkCamera(devices, video) {
  const track = devices.tracks.camera;
  if (track === null) return { failure: devices.failures.camera ?? 'unanswered' };
  video.srcObject = new MediaStream([track]);
  await Promise.race([video.play().catch(() => undefined), pause(FIRST_FRAME_MS)]);
  if (video.videoWidth === 0) return { failure: null, framesPerSecond: 0 };
  const before = framesOf(video);
  const startedMs = performance.now();
  await pause(FRAMES_MS);
  const seconds = (performance.now() - startedMs) / 1000;
  return {
    failure: null,
    width: video.videoWidth,
    height: video.videoHeight,
    framesPerSecond: (framesOf(video) - before) / seconds,
    luma: lumaOf(video),
  };
}

/** @param {Devices} devices @param {(level: number) => void} onLevel @returns {Promise<MicrophoneFinding>} */
export async function checkMicrophone(devices, onLevel) {
  const track = devices.tracks.microphone;
  if (track === null) return { failure: devices.failures.microphone ?? 'unanswered' };
  const meter = new LevelMeter();
  let [peak, floor] = [0, 1];
  meter.start(track, (level) => {
    peak = Math.max(peak, level);
    floor = Math.min(floor, level);
    onLevel(level);
  });
  const endMs = performance.now() + SPEECH_MS;
  while (performance.now() < endMs && !isSpeech(peak, floor)) await pause(100);
  meter.stop();
  return { failure: null, peak, floor: Math.min(peak, floor), isMuted: track.muted };
}

/** @param {HTMLVideoElement} video */
function framesOf(video) {
  return video.getVideoPlaybackQuality().totalVideoFrames;
}

/** How bright the picture is on the whole, 0 to 255. @param {HTMLVideoElement} video */
function lumaOf(video) {
  const canvas = Object.assign(document.createElement('canvas'), { width: LUMA_SIZE, height: LUMA_SIZE });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) return 255;
  context.drawImage(video, 0, 0, LUMA_SIZE, LUMA_SIZE);
  const { data } = context.getImageData(0, 0, LUMA_SIZE, LUMA_SIZE);
  let total = 0;
  for (let index = 0; index < data.length; index += 4) {
    // ITU-R BT.601 weights.
    total += 0.299 * (data[index] ?? 0) + 0.587 * (data[index + 1] ?? 0) + 0.114 * (data[index + 2] ?? 0);
  }
  return total / (data.length / 4);
}

/** @param {number} ms @returns {Promise<void>} */
function pause(ms) {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
