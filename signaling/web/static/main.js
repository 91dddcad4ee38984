// Entry of the room's page: lobby, then call, then the end. Reads what the template says in data-.

import { Call } from './call.js';
import { Devices } from './devices.js';
import { canEncrypt } from './e2ee/protection.js';
import { DoorEntry, failureText, post, rememberedName, returnToDoor, takeReturn, takeTaken } from './entry.js';
import { KepCallPanel } from './kep_call.js';
import { ProtocolError } from './protocol.js';
import { watchQueue } from './queue.js';
import { translator } from './texts.js';
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
const hasDoor = page.doorPath !== '';
const isDemo = page.demoTokensPath !== '' && invitation === null;
const lobby = new LobbyView(byId('lobby'), devices, translate, {
  asksName: isDemo || page.asksName,
  joinKey: hasDoor && !page.entersAtOnce ? 'door.knock' : 'lobby.join',
  roles: page.roles,
  maxName: page.maxName,
  roomClass: page.roomClass,
  mayJoin: hasDoor || page.demoTokensPath !== '' || invitation !== null,
  lacksEncryption: page.encryption === 'off' || canEncrypt() ? null : page.encryption,
  onJoin: (entry) => void join(entry),
});
const door = new DoorEntry(page, lobby, translate);
watchQueue(document.getElementById('queue'));
window.addEventListener('pagehide', () => void currentCall?.leave());
if (hasDoor && takeReturn()) {
  lobby.name.value = rememberedName();
  void join(lobby.entry(), translate('door.moved_back'));
} else if (hasDoor && takeTaken()) {
  void lobby.ready.then(() => lobby.submit());
}

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
  get door() {
    return door.client;
  },
  /** Act as if the network had dropped the socket. */
  loseSocket: () => currentCall?.loseSocket(),
});
Object.defineProperty(window, 'synedrion', { value: diagnostics });

/** @param {Entry} entry @param {string} [notice] What who waits is told first. */
async function join(entry, notice = '') {
  if (!hasDoor) return enter(entry, () => obtainToken(entry));
  try {
    const token = await door.knock(entry, notice);
    let isUsed = false;
    await enter(lobby.entry(), () => {
      // One admission, one entry: who is forgotten by the server knocks again.
      if (isUsed) return Promise.reject(new ProtocolError('token_used', 'knock again'));
      isUsed = true;
      return Promise.resolve(token);
    });
  } catch (error) {
    lobby.showFailure(failureText(error, translate));
  }
}

/** @param {Entry} entry @param {() => Promise<string>} getToken */
async function enter(entry, getToken) {
  const call = new Call({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${page.socketPath}`,
    obtainToken: getToken,
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
    if (code === 'moved_back') return returnToDoor();
    room.close();
    byId('before').hidden = true;
    byId('outside').hidden = false;
    showEnded(code, reason, translate, call.receiptSecret);
  });
  try {
    await call.join();
  } catch (error) {
    room.shortcuts.stop();
    lobby.hideWaiting();
    lobby.showFailure(failureText(error, translate));
    return;
  }
  currentCall = call;
  const panel = document.getElementById('kep-call');
  if (panel !== null) new KepCallPanel(panel, call);
  lobby.close();
  byId('outside').hidden = true;
  room.open();
}

/** @param {Entry} entry @returns {Promise<string>} */
async function obtainToken({ name, role }) {
  if (invitation !== null) return invitation;
  const answer = await post(page.demoTokensPath, { room: page.room, display_name: name, role });
  return answer['token'] ?? '';
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
    /** Empty where there is no door to knock at. */
    doorPath: data['doorPath'] ?? '',
    ticketsPath: data['ticketsPath'] ?? '',
    asksName: data['asksName'] !== undefined,
    /** Whom nobody has to admit. */
    entersAtOnce: data['entersAtOnce'] !== undefined,
  };
}
