// Snapshots of getStats → path, delay, loss and rates. Pure.

/** @import { QualityFinding } from './verdict.js' */

/** @typedef {Record<string, any> & { id: string, type: string, timestamp: number }} Stat */
/** What both ends said at one time. @typedef {{ atMs: number, publisher: Stat[], viewer: Stat[] }} Sample */

/** The first seconds only show how fast the estimate climbs. */
const WARM_UP_MS = 2500;

/** The pair in use. @param {readonly Stat[]} stats @returns {{ candidate: string, protocol: string, roundTripMs: number | null } | null} */
export function pathOf(stats) {
  const transport = stats.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId);
  const pair =
    stats.find(({ id }) => id === transport?.['selectedCandidatePairId']) ??
    // Firefox has no transport statistics but marks the pair.
    stats.find(({ type, selected, nominated, state }) => type === 'candidate-pair' && (selected ?? (nominated && state === 'succeeded')));
  if (pair === undefined) return null;
  const local = stats.find(({ id }) => id === pair['localCandidateId']);
  const seconds = pair['currentRoundTripTime'];
  return {
    candidate: String(local?.['candidateType'] ?? 'unknown'),
    protocol: String(local?.['relayProtocol'] ?? local?.['protocol'] ?? 'unknown'),
    roundTripMs: typeof seconds === 'number' ? seconds * 1000 : null,
  };
}

/** The best second both ways, and what was lost on the whole. @param {readonly Sample[]} samples @returns {QualityFinding} */
export function qualityOf(samples) {
  const last = samples.at(-1);
  if (last === undefined) throw new Error('no samples');
  const warm = samples.filter(({ atMs }) => atMs >= (samples[0]?.atMs ?? 0) + WARM_UP_MS);
  const measured = warm.length > 1 ? warm : samples;
  const roundTrips = measured.flatMap(({ publisher }) => pathOf(publisher)?.roundTripMs ?? []);
  const jitters = inbound(last.viewer).flatMap(({ jitter }) => (typeof jitter === 'number' ? [jitter * 1000] : []));
  return {
    roundTripMs: roundTrips.length === 0 ? null : median(roundTrips),
    jitterMs: jitters.length === 0 ? null : Math.max(...jitters),
    lossUpPercent: lossUp(last.publisher),
    lossDownPercent: lossDown(last.viewer),
    upKbps: rate(measured, ({ publisher }) => sum(outbound(publisher), 'bytesSent')),
    downKbps: rate(measured, ({ viewer }) => sum(inbound(viewer), 'bytesReceived')),
    isSlowDevice: outbound(last.publisher).some(({ qualityLimitationReason }) => qualityLimitationReason === 'cpu'),
  };
}

/** Kilobits a second from the first sample to the last. @param {readonly Sample[]} samples @param {(sample: Sample) => number} bytesOf */
function rate(samples, bytesOf) {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
  return Math.round(((bytesOf(last) - bytesOf(first)) * 8) / (last.atMs - first.atMs));
}

/** What the server says it did not get. @param {readonly Stat[]} stats */
function lossUp(stats) {
  const reports = stats.filter(({ type }) => type === 'remote-inbound-rtp');
  if (reports.length === 0) return null;
  const sent = sum(outbound(stats), 'packetsSent');
  return sent === 0 ? null : percent(Math.max(0, sum(reports, 'packetsLost')), sent);
}

/** @param {readonly Stat[]} stats */
function lossDown(stats) {
  const streams = inbound(stats);
  const received = sum(streams, 'packetsReceived');
  const lost = Math.max(0, sum(streams, 'packetsLost'));
  return received + lost === 0 ? null : percent(lost, received + lost);
}

/** @param {readonly Stat[]} stats */
const outbound = (stats) => stats.filter(({ type }) => type === 'outbound-rtp');
/** @param {readonly Stat[]} stats */
const inbound = (stats) => stats.filter(({ type }) => type === 'inbound-rtp');
/** @param {readonly Stat[]} stats @param {string} field */
const sum = (stats, field) => stats.reduce((total, each) => total + (Number(each[field]) || 0), 0);
/** @param {number} part @param {number} whole */
const percent = (part, whole) => Math.round((part / whole) * 1000) / 10;
/** @param {number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
