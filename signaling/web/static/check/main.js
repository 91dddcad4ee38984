// The device and network check, put together: devices one after the other, the network beside them.

import { Devices } from '../devices.js';
import { canEncrypt } from '../e2ee/protection.js';
import { byId } from '../views/dom.js';
import { playTestSound } from '../views/test_sound.js';
import { checkNetwork } from './network.js';
import { checkCamera, checkMicrophone, openDevices } from './own_devices.js';
import { platformOf } from './platform.js';
import { checkTranslator } from './texts.js';
import {
  POINTS,
  judgeBrowser,
  judgeCamera,
  judgeMicrophone,
  judgePath,
  judgeQuality,
  judgeServer,
  judgeSpeaker,
  reportOf,
  reportText,
} from './verdict.js';
import { CheckView } from './view.js';

/** @import { Language } from '../texts.js' */
/** @import { NetworkFinding } from './network.js' */
/** @import { Point, Verdict } from './verdict.js' */

const CHECK_PATH = '/api/v1/check';
/** What is not known by then is not known: the whole takes no longer. */
const WHOLE_MS = 42_000;
const ANSWER_MS = 12_000;

const root = byId('check');
const translate = checkTranslator(/** @type {Language} */ (root.dataset['language']));
const platform = platformOf(navigator.userAgent, navigator.maxTouchPoints);
const view = new CheckView(root, translate, platform, () => void run());
const devices = new Devices();
/** @type {Map<Point, Verdict>} */
const verdicts = new Map();
let startedMs = 0;
let tookMs = 0;
let isDone = false;
/** Tells answers to an earlier run from those to this one. */
let runs = 0;

byId('check-copy').addEventListener('click', () => void copyReport());
window.addEventListener('pagehide', () => devices.closeAll());

async function run() {
  const own = ++runs;
  verdicts.clear();
  isDone = false;
  startedMs = performance.now();
  byId('check-send').hidden = true;
  view.reset();
  const hasCalls = typeof RTCPeerConnection === 'function' && typeof WebSocket === 'function';
  tell(judgeBrowser({ isSecure: isSecureContext, hasCalls, canEncrypt: hasCalls && canEncrypt() }));
  const network = hasCalls ? runNetwork(own) : Promise.resolve(tellNetwork({ server: { failure: 'unsupported' }, path: null, quality: null }));
  await Promise.race([Promise.all([runDevices(own), network]), pause(WHOLE_MS)]);
  if (own === runs) finish();
}

/** @param {number} own */
async function runNetwork(own) {
  const socketUrl = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
  for (const point of /** @type {Point[]} */ (['server', 'path', 'quality'])) view.setRunning(point);
  const told = (/** @type {Partial<NetworkFinding>} */ found) => {
    if (own !== runs || isDone) return;
    if (found.server !== undefined) tell(judgeServer(found.server));
    if (found.path !== undefined) tell(judgePath(found.path));
  };
  try {
    const found = await checkNetwork(CHECK_PATH, socketUrl, told);
    if (own === runs && !isDone) tellNetwork(found);
  } catch {
    // The service went away in the middle: what is known stays, the rest is not known.
  }
}

/** @param {NetworkFinding} found */
function tellNetwork({ server, path, quality }) {
  tell(judgeServer(server));
  tell(judgePath(path));
  tell(judgeQuality(quality));
}

/** @param {number} own */
async function runDevices(own) {
  view.setRunning('camera');
  view.setRunning('microphone');
  view.ask('allow');
  await openDevices(devices);
  view.video.hidden = devices.tracks.camera === null;
  const camera = checkCamera(devices, view.video).then((found) => own === runs && tell(judgeCamera(found)));
  await runMicrophone(own);
  await camera;
  await runSpeaker(own);
}

/** @param {number} own */
async function runMicrophone(own) {
  const isOpen = devices.tracks.microphone !== null;
  if (isOpen) view.ask('speak');
  view.meter.hidden = !isOpen;
  const found = await checkMicrophone(devices, (level) => (view.meter.value = level));
  view.meter.hidden = true;
  view.prompt.hidden = true;
  if (own === runs) tell(judgeMicrophone(found));
}

/** Ask; who answers late still changes the result. @param {number} own @returns {Promise<void>} */
async function runSpeaker(own) {
  view.setRunning('speaker');
  await playTestSound(devices.speaker);
  await new Promise((resolve) => {
    const answer = (/** @type {'yes' | 'no' | 'none'} */ said) => () => {
      if (own === runs) {
        tell(judgeSpeaker({ answer: said }));
        view.prompt.hidden = said !== 'none';
      }
      resolve(undefined);
    };
    view.ask('heard', [
      view.button('yes', true, answer('yes')),
      view.button('no', false, answer('no')),
      view.button('play', false, () => void playTestSound(devices.speaker)),
    ]);
    setTimeout(() => verdicts.has('speaker') || answer('none')(), ANSWER_MS);
  });
}

/** @param {Verdict} verdict */
function tell(verdict) {
  verdicts.set(verdict.point, verdict);
  view.show(verdict);
  if (isDone) showResult(false);
}

function finish() {
  tookMs = performance.now() - startedMs;
  if (!verdicts.has('camera')) tell(judgeCamera({ failure: 'unanswered' }));
  if (!verdicts.has('microphone')) tell(judgeMicrophone({ failure: 'unanswered' }));
  if (!verdicts.has('speaker')) tell(judgeSpeaker({ answer: 'none' }));
  if (!verdicts.has('server')) tell(judgeServer({ failure: 'unreachable' }));
  if (!verdicts.has('path')) tell(judgePath(null));
  if (!verdicts.has('quality')) tell(judgeQuality(null));
  isDone = true;
  devices.closeAll();
  view.video.hidden = true;
  view.video.srcObject = null;
  showResult(true);
}

/** @param {boolean} takesFocus */
function showResult(takesFocus) {
  const found = POINTS.flatMap((point) => verdicts.get(point) ?? []);
  view.showResult(found, takesFocus);
  const report = reportOf(platform, found, tookMs);
  byId('check-report').textContent = reportText(report);
  /** @type {HTMLTextAreaElement} */ (byId('check-report-value')).value = JSON.stringify(report);
  byId('check-copied').textContent = '';
  byId('check-send').hidden = false;
}

async function copyReport() {
  const text = byId('check-report').textContent ?? '';
  const isCopied = await (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
    () => true,
    () => false,
  );
  byId('check-copied').textContent = translate(isCopied ? 'copied' : 'not_copied');
}

/** @param {number} ms @returns {Promise<void>} */
function pause(ms) {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
