// How a person gets a room token: an invitation, the demonstration, or the door, where one waits.

import { Dismissed, DoorClient } from './door.js';
import { ProtocolError } from './protocol.js';
import { TEXTS } from './texts.js';
import { WaitingView } from './views/waiting.js';

/** @import { Language, Translate } from './texts.js' */
/** @import { Entry, LobbyView } from './views/lobby.js' */

const NAME_KEY = 'synedrion-guest-name';
const WAITING_HASH = '#waiting';
/** An employee has taken who waits: the desk's one click leads into the call. */
const TAKEN_HASH = '#taken';

/**
 * @typedef {object} DoorPage
 * @property {string} doorPath
 * @property {string} ticketsPath
 * @property {Language} language
 */

/** Ask for JSON. @param {string} path @param {unknown} body @returns {Promise<Record<string, string>>} */
export async function post(path, body) {
  const headers = { 'Content-Type': 'application/json' };
  const request = { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await fetch(path, request).catch(() => {
    throw new ProtocolError('unreachable', 'no answer');
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const code = response.status === 404 ? 'not_found' : (answer.code ?? String(response.status));
  const retryAfterS = Number(response.headers.get('Retry-After')) || null;
  throw new ProtocolError(code, answer.title ?? '', retryAfterS);
}

/** The way in through a door: knocks, and shows in the lobby how things are. */
export class DoorEntry {
  /** @type {DoorClient | null} */
  client = null;

  /** @param {DoorPage} page @param {LobbyView} lobby @param {Translate} translate */
  constructor(page, lobby, translate) {
    this.page = page;
    this.lobby = lobby;
    this.translate = translate;
  }

  /** Knock and wait. @param {Entry} entry @param {string} [notice] @returns {Promise<string>} The token. */
  async knock(entry, notice = '') {
    rememberName(entry.name);
    const { page, translate } = this;
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const client = new DoorClient(`${scheme}://${location.host}${page.doorPath}`, async () => {
      const answer = await post(page.ticketsPath, { display_name: entry.name });
      return answer['ticket'] ?? '';
    });
    this.client = client;
    const view = new WaitingView(translate, page.language, () => {
      client.leave();
      this.lobby.hideWaiting();
    });
    if (notice !== '') view.say(notice);
    client.addEventListener('waiting', (event) => {
      view.show(/** @type {CustomEvent} */ (event).detail);
      if (view.root.isConnected) return;
      this.lobby.showWaiting(view.root);
      view.title.focus();
    });
    client.addEventListener('lost', () => view.showLost());
    client.addEventListener('back', () => view.showBack());
    try {
      return await client.enter();
    } catch (error) {
      this.lobby.hideWaiting();
      throw error;
    }
  }
}

/** Go back to the waiting room: the page starts afresh and knocks by itself. */
export function returnToDoor() {
  location.hash = WAITING_HASH;
  location.reload();
}

/** Whether the page was opened by `returnToDoor`. */
export function takeReturn() {
  return takeHash(WAITING_HASH);
}

/** Whether the page was opened by an employee's desk, to enter at once. */
export function takeTaken() {
  return takeHash(TAKEN_HASH);
}

/** @param {string} hash */
function takeHash(hash) {
  const isThere = location.hash === hash;
  if (isThere) history.replaceState(null, '', location.pathname + location.search);
  return isThere;
}

/** The name a guest typed in this tab, for a knock after a reload. */
export function rememberedName() {
  return sessionStorage.getItem(NAME_KEY) ?? '';
}

/** @param {string} name */
function rememberName(name) {
  if (name !== '') sessionStorage.setItem(NAME_KEY, name);
}

/** Why there is no entry, in words. @param {unknown} error @param {Translate} translate */
export function failureText(error, translate) {
  if (error instanceof Dismissed) return dismissalText(error, translate);
  const code = error instanceof ProtocolError ? error.code : 'unknown';
  if (['unreachable', 'disconnected', 'timeout'].includes(code)) return translate('join.unreachable');
  if (`join.${code}` in TEXTS) return translate(`join.${code}`);
  return code.includes('token') ? translate('join.token') : translate('join.other', { code });
}

/** @param {Dismissed} dismissed @param {Translate} translate */
function dismissalText({ outcome, reason, retryAfterS }, translate) {
  const texts = [`${translate(`door.${outcome}`)}.`];
  if (reason !== '') texts.push(`${translate('ended.reason', { reason })}.`);
  if (retryAfterS !== null) {
    const minutes = Math.max(1, Math.ceil(retryAfterS / 60));
    texts.push(translate('door.again', { minutes, count: minutes }));
  }
  return texts.join(' ');
}
