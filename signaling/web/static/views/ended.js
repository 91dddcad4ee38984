// After the call: why it ended and where to go.

import { TEXTS } from '../texts.js';
import { byId, element, setText } from './dom.js';

/** @import { Translate } from '../texts.js' */

const KNOWN = new Set(['left', 'kicked', 'room_closed', 'replaced', 'resume_failed', 'unsupported_protocol', 'encryption_failed']);
const WITH_TEXT = new Set(['replaced', 'resume_failed', 'unsupported_protocol', 'encryption_failed']);
/** Joining again is pointless where the meeting is over, and not ours to offer to who was removed. */
const MAY_REJOIN = new Set(['left', 'replaced', 'resume_failed', 'unsupported_protocol', 'encryption_failed']);

/** The service's own reasons are words to translate; a moderator's are text. @param {string} reason @param {Translate} translate */
function reasonText(reason, translate) {
  const key = `ended.reason_${reason}`;
  if (key in TEXTS) return translate(key);
  return reason === '' ? '' : translate('ended.reason', { reason });
}

/**
 * @param {string} code
 * @param {string} reason From the moderator, as text.
 * @param {Translate} translate
 * @param {string} [receiptSecret] Of a kep call.
 */
export function showEnded(code, reason, translate, receiptSecret = '') {
  const known = KNOWN.has(code) ? code : 'resume_failed';
  const root = byId('ended');
  const title = byId('ended-title');
  setText(title, translate(`ended.${known}`));
  const texts = [
    WITH_TEXT.has(known) ? translate(`ended.${known}_text`) : '',
    reasonText(reason, translate),
  ];
  const paragraphs = texts
    .filter((text) => text !== '')
    .map((text) => element('p', { class: 'govgr-body' }, text));
  const rejoin = element(
    'button',
    { type: 'button', class: 'govgr-btn govgr-btn-primary', onclick: () => location.reload() },
    translate('ended.rejoin'),
  );
  const home = element('a', { class: 'govgr-link', href: '/' }, translate('ended.home'));
  byId('ended-body').replaceChildren(
    ...paragraphs,
    ...(receiptSecret === '' ? [] : [receiptForm(receiptSecret, translate)]),
    element('div', { class: 'ended-actions' }, MAY_REJOIN.has(known) && rejoin, home),
  );
  root.hidden = false;
  title.focus();
}

/** The secret goes in the body of the request: never into an address. @param {string} secret @param {Translate} translate */
function receiptForm(secret, translate) {
  return element(
    'form',
    { method: 'post', action: '/receipts', target: '_blank', class: 'ended-receipt' },
    element('p', { class: 'govgr-body' }, translate('ended.receipt_text')),
    element('input', { type: 'hidden', name: 'secret', value: secret }),
    element('button', { type: 'submit', class: 'govgr-btn govgr-btn-secondary' }, translate('ended.receipt')),
  );
}
