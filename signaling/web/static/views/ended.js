// After the call: why it ended and where to go.

import { byId, element, setText } from './dom.js';

/** @import { Translate } from '../texts.js' */

const KNOWN = new Set(['left', 'kicked', 'room_closed', 'replaced', 'resume_failed', 'unsupported_protocol', 'encryption_failed']);
const WITH_TEXT = new Set(['replaced', 'resume_failed', 'unsupported_protocol', 'encryption_failed']);
/** Joining again is pointless where the meeting is over, and not ours to offer to who was removed. */
const MAY_REJOIN = new Set(['left', 'replaced', 'resume_failed', 'unsupported_protocol', 'encryption_failed']);

/** @param {string} code @param {string} reason From the moderator, as text. @param {Translate} translate */
export function showEnded(code, reason, translate) {
  const known = KNOWN.has(code) ? code : 'resume_failed';
  const root = byId('ended');
  const title = byId('ended-title');
  setText(title, translate(`ended.${known}`));
  const texts = [
    WITH_TEXT.has(known) ? translate(`ended.${known}_text`) : '',
    reason === '' ? '' : translate('ended.reason', { reason }),
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
    element('div', { class: 'ended-actions' }, MAY_REJOIN.has(known) && rejoin, home),
  );
  root.hidden = false;
  title.focus();
}
