// The device check's verdicts, measurements, platforms and texts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathOf, qualityOf } from '../../signaling/web/static/check/measure.js';
import { platformOf } from '../../signaling/web/static/check/platform.js';
import { CHECK_TEXTS, checkTranslator, remedyKeys, resultKey } from '../../signaling/web/static/check/texts.js';
import {
  judgeBrowser,
  judgeCamera,
  judgeMicrophone,
  judgePath,
  judgeQuality,
  judgeServer,
  judgeSpeaker,
  overall,
  reportOf,
  reportText,
} from '../../signaling/web/static/check/verdict.js';

const GOOD_QUALITY = { roundTripMs: 20, jitterMs: 5, lossUpPercent: 0, lossDownPercent: 0, upKbps: 2000, downKbps: 1500, isSlowDevice: false };
const GOOD_CAMERA = { failure: null, width: 1280, height: 720, framesPerSecond: 30, luma: 90 };
const DESKTOP = { system: 'windows', browser: 'chrome', version: 130 };
const said = ({ level, code }) => `${level} ${code}`;
const FAILURES = ['not_allowed', 'not_found', 'in_use', 'overconstrained', 'insecure', 'unsupported', 'unanswered', 'unknown'];

test('the browser', () => {
  const all = { isSecure: true, hasCalls: true, canEncrypt: true };
  assert.equal(said(judgeBrowser(all)), 'ok ok');
  assert.equal(said(judgeBrowser({ ...all, canEncrypt: false })), 'warn no_encryption');
  assert.equal(said(judgeBrowser({ ...all, hasCalls: false })), 'fail unsupported');
  assert.equal(said(judgeBrowser({ ...all, isSecure: false })), 'fail insecure');
});

test('the camera', () => {
  const rows = [
    [{}, 'ok ok'],
    [{ framesPerSecond: 0 }, 'fail frozen'],
    [{ luma: 2 }, 'warn dark'],
    [{ luma: 16 }, 'warn dark'],
    [{ luma: 17 }, 'ok ok'],
    [{ width: 320, height: 240 }, 'warn small'],
    [{ width: 720, height: 1280 }, 'ok ok'],
    [{ framesPerSecond: 4.9 }, 'warn slow'],
    [{ failure: 'not_found' }, 'warn not_found'],
    [{ failure: 'not_allowed' }, 'fail not_allowed'],
  ];
  for (const [change, expected] of rows) assert.equal(said(judgeCamera({ ...GOOD_CAMERA, ...change })), expected);
});

test('the microphone must really move', () => {
  const rows = [
    [{ peak: 0.6, floor: 0.1 }, 'ok ok'],
    [{ peak: 0, floor: 0 }, 'fail silent'],
    [{ peak: 0.01, floor: 0 }, 'fail silent'],
    [{ peak: 0.2, floor: 0.1 }, 'warn quiet'],
    [{ peak: 0.5, floor: 0.49 }, 'warn quiet'],
    [{ peak: 0.6, floor: 0.1, isMuted: true }, 'fail muted'],
    [{ failure: 'in_use' }, 'fail in_use'],
  ];
  for (const [found, expected] of rows) assert.equal(said(judgeMicrophone({ failure: null, ...found })), expected);
});

test('loudspeakers, service and path', () => {
  assert.equal(said(judgeSpeaker({ answer: 'yes' })), 'ok ok');
  assert.equal(said(judgeSpeaker({ answer: 'no' })), 'fail not_heard');
  assert.equal(said(judgeSpeaker({ answer: 'none' })), 'unknown unanswered');
  assert.equal(said(judgeServer({ failure: null, joinMs: 30 })), 'ok ok');
  assert.equal(said(judgeServer({ failure: 'too_many_checks' })), 'unknown busy');
  assert.equal(said(judgeServer({ failure: 'socket_blocked' })), 'fail socket_blocked');
  assert.equal(said(judgeServer({ failure: 'room_unavailable' })), 'fail unavailable');
  assert.equal(said(judgePath({ failure: null, candidate: 'host', protocol: 'udp' })), 'ok ok');
  assert.equal(said(judgePath({ failure: null, candidate: 'relay', protocol: 'tls' })), 'ok relay');
  assert.equal(said(judgePath({ failure: null, candidate: 'host', protocol: 'tcp' })), 'warn tcp');
  assert.equal(said(judgePath({ failure: 'no_path', port: 40000 })), 'fail no_path');
  assert.equal(said(judgePath(null)), 'unknown skipped');
});

test('the quality of the network, the worst first', () => {
  const rows = [
    [{}, 'ok ok'],
    [{ upKbps: 0 }, 'fail nothing_sent'],
    [{ downKbps: 0 }, 'fail nothing_received'],
    [{ downKbps: 59 }, 'fail slow_bad'],
    [{ upKbps: 149 }, 'warn slow_sound'],
    [{ upKbps: 499 }, 'warn slow'],
    [{ upKbps: 500, downKbps: 500 }, 'ok ok'],
    [{ upKbps: 300, isSlowDevice: true }, 'warn slow_device'],
    [{ lossUpPercent: 2.1 }, 'warn lossy'],
    [{ lossDownPercent: 10.1 }, 'fail lossy_bad'],
    [{ roundTripMs: 301 }, 'warn late'],
    [{ roundTripMs: 801 }, 'fail late_bad'],
    [{ jitterMs: 61 }, 'warn uneven'],
    [{ roundTripMs: null, lossUpPercent: null }, 'ok ok'],
    [{ lossDownPercent: 20, upKbps: 300 }, 'fail lossy_bad'],
  ];
  for (const [change, expected] of rows) {
    assert.equal(said(judgeQuality({ ...GOOD_QUALITY, ...change })), expected, JSON.stringify(change));
  }
});

test('the whole is as good as its worst', () => {
  const [ok, warn, fail, unknown] = [judgeSpeaker({ answer: 'yes' }), judgeCamera({ failure: 'not_found' }), judgeSpeaker({ answer: 'no' }), judgePath(null)];
  assert.equal(overall([ok, ok]), 'ok');
  assert.equal(overall([ok, unknown]), 'warn');
  assert.equal(overall([ok, warn]), 'warn');
  assert.equal(overall([warn, fail, unknown]), 'fail');
});

test('the report has codes and numbers only', () => {
  const verdicts = [judgeCamera(GOOD_CAMERA), judgeQuality({ ...GOOD_QUALITY, jitterMs: null })];
  const report = reportOf(DESKTOP, verdicts, 8123.4);
  for (const [key, value] of Object.entries(report)) {
    assert.match(key, /^[a-z_]{1,40}$/);
    assert.ok(typeof value === 'number' ? Number.isFinite(value) : /^[a-z_]{1,40}$/.test(value), `${key}: ${value}`);
  }
  assert.equal(report.took_ms, 8123);
  assert.equal(report.quality_up_kbps, 2000);
  assert.ok(!('quality_jitter_ms' in report));
  assert.ok(reportText(report).includes('camera_width: 1280\n'));
});

const sampleAt = (atMs, bytes, { lost = 0, packets = 100, reason = 'none' } = {}) => ({
  atMs,
  publisher: [
    { id: 't', type: 'transport', selectedCandidatePairId: 'p2' },
    { id: 'p1', type: 'candidate-pair', localCandidateId: 'l1', currentRoundTripTime: 9 },
    { id: 'p2', type: 'candidate-pair', localCandidateId: 'l2', currentRoundTripTime: 0.04 },
    { id: 'l1', type: 'local-candidate', candidateType: 'host', protocol: 'tcp' },
    { id: 'l2', type: 'local-candidate', candidateType: 'srflx', protocol: 'udp' },
    { id: 'o1', type: 'outbound-rtp', bytesSent: bytes, packetsSent: packets, qualityLimitationReason: reason },
    { id: 'r1', type: 'remote-inbound-rtp', packetsLost: lost },
  ],
  viewer: [{ id: 'i1', type: 'inbound-rtp', bytesReceived: bytes / 2, packetsReceived: packets, packetsLost: lost, jitter: 0.012 }],
});

test('numbers come from the pair in use and from after the warm-up', () => {
  const samples = [sampleAt(0, 0), sampleAt(1000, 1000), sampleAt(3000, 100_000), sampleAt(5000, 350_000, { lost: 5, reason: 'cpu' })];
  assert.deepEqual(qualityOf(samples), {
    roundTripMs: 40,
    jitterMs: 12,
    lossUpPercent: 5,
    lossDownPercent: 4.8,
    upKbps: 1000,
    downKbps: 500,
    isSlowDevice: true,
  });
});

test('the path in use, where there are no transport statistics too', () => {
  assert.deepEqual(pathOf(sampleAt(0, 0).publisher), { candidate: 'srflx', protocol: 'udp', roundTripMs: 40 });
  const firefox = [
    { id: 'a', type: 'candidate-pair', selected: false, localCandidateId: 'x' },
    { id: 'b', type: 'candidate-pair', selected: true, localCandidateId: 'y' },
    { id: 'y', type: 'local-candidate', candidateType: 'relay', protocol: 'udp', relayProtocol: 'tls' },
  ];
  assert.deepEqual(pathOf(firefox), { candidate: 'relay', protocol: 'tls', roundTripMs: null });
  assert.equal(pathOf([]), null);
});

test('platforms', () => {
  const mac = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15';
  assert.deepEqual(platformOf(mac), { system: 'macos', browser: 'safari', version: 17 });
  assert.equal(platformOf(mac, 5).system, 'ios');
  const edge = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/131.0';
  assert.deepEqual(platformOf(edge), { system: 'windows', browser: 'edge', version: 131 });
  const samsung = 'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36';
  assert.deepEqual(platformOf(samsung), { system: 'android', browser: 'samsung', version: 25 });
  const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
  assert.deepEqual(platformOf(firefox), { system: 'linux', browser: 'firefox', version: 128 });
  assert.deepEqual(platformOf('<b>'), { system: 'other', browser: 'other', version: 0 });
});

/** One verdict for each code there is. */
function* everyVerdict() {
  const device = (change) => ({ failure: null, ...change });
  for (const failure of FAILURES) yield* [judgeCamera({ failure }), judgeMicrophone({ failure })];
  for (const change of [{ framesPerSecond: 0 }, { luma: 0 }, { height: 100 }, { framesPerSecond: 2 }]) yield judgeCamera({ ...GOOD_CAMERA, ...change });
  for (const found of [{}, { peak: 0.2 }, { isMuted: true }]) yield judgeMicrophone(device(found));
  for (const answer of ['no', 'none']) yield judgeSpeaker({ answer });
  for (const failure of ['unreachable', 'socket_blocked', 'room_unavailable', 'too_many_checks']) yield judgeServer({ failure });
  for (const failure of ['no_path', 'no_handshake', 'no_answer']) yield judgePath({ failure });
  yield judgePath({ failure: null, protocol: 'tcp' });
  for (const change of [{ upKbps: 0 }, { downKbps: 0 }, { upKbps: 1 }, { upKbps: 100 }, { upKbps: 300 }, { upKbps: 300, isSlowDevice: true }]) yield judgeQuality({ ...GOOD_QUALITY, ...change });
  for (const change of [{ lossUpPercent: 3 }, { lossUpPercent: 30 }, { roundTripMs: 400 }, { roundTripMs: 900 }, { jitterMs: 90 }]) yield judgeQuality({ ...GOOD_QUALITY, ...change });
  for (const [isSecure, hasCalls, canEncrypt] of [[false, true, true], [true, false, false], [true, true, false]]) yield judgeBrowser({ isSecure, hasCalls, canEncrypt });
}

test('everything that is wrong has words and a remedy, on every platform', () => {
  const systems = ['windows', 'macos', 'ios', 'android', 'linux', 'other'];
  const browsers = ['chrome', 'edge', 'firefox', 'safari', 'samsung', 'other'];
  let count = 0;
  for (const verdict of everyVerdict()) {
    count += 1;
    assert.ok(resultKey(verdict) in CHECK_TEXTS);
    assert.notEqual(resultKey(verdict), verdict.code === 'unknown' ? '' : 'failure.unknown', verdict.code);
    for (const system of systems) {
      for (const browser of browsers) {
        const keys = remedyKeys(verdict, { system, browser, version: 1 });
        assert.ok(keys.length > 0, `${verdict.point}.${verdict.code}`);
        for (const key of keys) assert.ok(key in CHECK_TEXTS, key);
      }
    }
  }
  assert.ok(count > 40, String(count));
  assert.deepEqual(remedyKeys(judgeCamera(GOOD_CAMERA), DESKTOP), []);
});

test('each text exists in both languages with the same places for values', () => {
  const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();
  for (const [key, texts] of Object.entries(CHECK_TEXTS)) {
    assert.equal(texts.length, 2, key);
    assert.ok(texts.every((text) => text.trim() !== ''), key);
    assert.deepEqual(places(texts[0]), places(texts[1]), key);
    assert.ok(/[α-ωά-ώ]/i.test(texts[0]), `${key}: ${texts[0]}`);
  }
  assert.equal(checkTranslator('en')('numbers.server', { join_ms: 3 }), 'Joined in 3 ms');
  assert.ok(checkTranslator('el')('remedy.path.no_path').includes('–'));
});
