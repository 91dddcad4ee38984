// Entry of the room's page: lobby, then call, then the end. Reads what the template says in data-.

import { Call } from './call.js';
import { Devices } from './devices.js';
import { canEncrypt } from './e2ee/protection.js';
import { ProtocolError } from './protocol.js';
import { TEXTS, translator } from './texts.js';
import { byId } from './views/dom.js';
import { showEnded } from './views/ended.js';
import { LobbyView } from './views/lobby.js';
import { RoomView } from './views/room.js';

/** @import { EncryptionPolicy, Role, RoomClass } from './messages.js' */
/** @import { Language } from './texts.js' */
/** @import { Entry } from './views/lobby.js' */

/** Receive-only video m-lines are offered in steps of this: few where the screen is small. */
const VIDEO_STEP = { wide: 8, narrow: 4 };
const NARROW_PX = 600;

const page = readPage();
const translate = translator(page.language, page.roomClass);
const devices = new Devices();
/** @type {Call | null} */
let currentCall = null;

const invitation = takeInvitation();
const lobby = new LobbyView(byId('lobby'), devices, translate, {
  isDemo: page.demoTokensPath !== '' && invitation === null,
  roles: page.roles,
  maxName: page.maxName,
  roomClass: page.roomClass,
  mayJoin: page.demoTokensPath !== '' || invitation !== null,
  lacksEncryption: page.encryption === 'off' || canEncrypt() ? null : page.encryption,
  onJoin: (entry) => void join(entry),
});
window.addEventListener('pagehide', () => void currentCall?.leave());

/** Read-only, for people who look for faults and for browser tests. */
const diagnostics = Object.freeze({
  get state() {
    return currentCall?.state ?? null;
  },
  get link() {
    return currentCall?.link ?? null;
  },
  get peerConnection() {
    return currentCall?.media?.peerConnection ?? null;
  },
  /** Tile key → mid. */
  get assignment() {
    return new Map(currentCall?.assignment);
  },
  /** State, codes by participant, and what became of frames so far; null without end-to-end encryption. */
  async encryption() {
    const encryption = currentCall?.encryption ?? null;
    if (encryption === null) return null;
    return { state: encryption.state, codes: new Map(encryption.codes), frames: await encryption.protection.report() };
  },
  get roundTripMs() {
    return currentCall?.roundTripMs ?? 0;
  },
  /** Act as if the network had dropped the socket. */
  loseSocket: () => currentCall?.loseSocket(),
});
Object.defineProperty(window, 'synedrion', { value: diagnostics });

/** @param {Entry} entry */
async function join(entry) {
  const call = new Call({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${page.socketPath}`,
    obtainToken: () => obtainToken(entry),
    devices,
    muted: entry.muted,
    videoStep: window.innerWidth < NARROW_PX ? VIDEO_STEP.narrow : VIDEO_STEP.wide,
    maxVideoStreams: page.maxVideoStreams,
    isEncrypted: page.encryption !== 'off' && canEncrypt(),
    mayBePlain: page.encryption === 'optional',
  });
  const room = new RoomView(call, translate, page.language);
  call.addEventListener('ended', (event) => {
    const { code, reason } = /** @type {CustomEvent} */ (event).detail;
    room.close();
    byId('before').hidden = true;
    byId('outside').hidden = false;
    showEnded(code, reason, translate, call.receiptSecret);
  });
  try {
    await call.join();
  } catch (error) {
    room.shortcuts.stop();
    lobby.showFailure(failureText(error));
    return;
  }
  currentCall = call;
  lobby.close();
  byId('outside').hidden = true;
  room.open();
}

/** @param {Entry} entry @returns {Promise<string>} */
async function obtainToken({ name, role }) {
  if (invitation !== null) return invitation;
  const body = JSON.stringify({ room: page.room, display_name: name, role });
  const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body };
  const response = await fetch(page.demoTokensPath, request).catch(() => {
    throw new ProtocolError('unreachable', 'no answer');
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ProtocolError(answer.code ?? String(response.status), answer.title ?? '');
  return answer.token;
}

/** @param {unknown} error */
function failureText(error) {
  const code = error instanceof ProtocolError ? error.code : 'unknown';
  if (['unreachable', 'disconnected', 'timeout'].includes(code)) return translate('join.unreachable');
  if (`join.${code}` in TEXTS) return translate(`join.${code}`);
  return code.includes('token') ? translate('join.token') : translate('join.other', { code });
}

/** A token after `#token=` never reaches a server's log; it is taken out of the address at once. */
function takeInvitation() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token !== null) history.replaceState(null, '', location.pathname + location.search);
  return token;
}

function readPage() {
  const data = byId('page').dataset;
  return {
    room: data['room'] ?? '',
    roomClass: /** @type {RoomClass} */ (data['roomClass']),
    language: /** @type {Language} */ (data['language']),
    roles: /** @type {Role[]} */ ((data['roles'] ?? '').split(' ').filter(Boolean)),
    socketPath: data['socketPath'] ?? '/ws',
    /** Empty where rooms are entered by invitation only. */
    demoTokensPath: data['demoTokensPath'] ?? '',
    encryption: /** @type {EncryptionPolicy} */ (data['encryption']),
    maxVideoStreams: Number(data['maxVideoStreams']),
    maxName: Number(data['maxName']),
  };
}
