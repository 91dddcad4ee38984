// Questions and settings in front of the call, as native dialogs: they hold and give back the focus.

import { element } from './dom.js';

/** @import { Translate } from '../texts.js' */

let counter = 0;

/**
 * Ask before something that cannot be undone.
 * @param {Translate} translate
 * @param {{ title: string, text?: string, yes: string }} question
 * @returns {Promise<boolean>}
 */
export function confirmDialog(translate, { title, text, yes }) {
  return new Promise((resolve) => {
    const dialog = newDialog(title, text === undefined ? [] : [element('p', { class: 'dialog-text' }, text)]);
    const no = element(
      'button',
      { type: 'button', class: 'govgr-btn govgr-btn-secondary', onclick: () => dialog.close() },
      translate('confirm.no'),
    );
    const agree = element(
      'button',
      { type: 'button', class: 'govgr-btn govgr-btn-warning', onclick: () => dialog.close('yes') },
      yes,
    );
    dialog.append(element('div', { class: 'dialog-buttons' }, agree, no));
    open(dialog, () => resolve(dialog.returnValue === 'yes'));
    no.focus();
  });
}

/**
 * Ask before something, with room for a reason.
 * @param {Translate} translate
 * @param {{ title: string, label: string, yes: string }} question
 * @returns {Promise<string | null>} What was written; null: not to be done.
 */
export function promptDialog(translate, { title, label, yes }) {
  return new Promise((resolve) => {
    const input = element('input', { type: 'text', id: 'dialog-input', class: 'govgr-input', maxlength: 200 });
    const dialog = newDialog(title, [
      element('label', { class: 'dialog-text', for: 'dialog-input' }, label),
      input,
    ]);
    const no = element(
      'button',
      { type: 'button', class: 'govgr-btn govgr-btn-secondary', onclick: () => dialog.close() },
      translate('confirm.no'),
    );
    const agree = element(
      'button',
      { type: 'button', class: 'govgr-btn govgr-btn-warning', onclick: () => dialog.close('yes') },
      yes,
    );
    dialog.append(element('div', { class: 'dialog-buttons' }, agree, no));
    open(dialog, () => resolve(dialog.returnValue === 'yes' ? input.value.trim() : null));
    input.focus();
  });
}

/**
 * Show something until it is closed.
 * @param {Translate} translate @param {string} title @param {...(Node | string)} content
 */
export function contentDialog(translate, title, ...content) {
  const dialog = newDialog(title, content);
  const close = element(
    'button',
    { type: 'button', class: 'govgr-btn govgr-btn-secondary', onclick: () => dialog.close() },
    translate('panel.close'),
  );
  dialog.append(element('div', { class: 'dialog-buttons' }, close));
  open(dialog, () => {});
}

/** @param {string} title @param {(Node | string)[]} content */
function newDialog(title, content) {
  const id = `dialog-title-${(counter += 1)}`;
  return element(
    'dialog',
    { class: 'dialog', 'aria-labelledby': id },
    element('h2', { id, class: 'dialog-title' }, title),
    ...content,
  );
}

/** @param {HTMLDialogElement} dialog @param {() => void} onClose */
function open(dialog, onClose) {
  dialog.addEventListener('close', () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
}
