// Both languages are whole, and no script asks for a text that is not there.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { TEXTS, translator } from '../../signaling/web/static/texts.js';

const STATIC = new URL('../../signaling/web/static/', import.meta.url);
const scripts = [
  ...readdirSync(STATIC),
  ...readdirSync(new URL('views/', STATIC)).map((name) => `views/${name}`),
].filter((name) => name.endsWith('.js') && name !== 'texts.js');
const placeholders = (text) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();

test('each text exists in both languages with the same placeholders', () => {
  for (const [key, texts] of Object.entries(TEXTS)) {
    assert.equal(texts.length, 2, key);
    assert.ok(
      texts.every((text) => text.trim() !== ''),
      key,
    );
    assert.deepEqual(placeholders(texts[0]), placeholders(texts[1]), key);
  }
});

test('Greek texts are Greek', () => {
  const allowed = new Set(['panel.chat_send']);
  for (const [key, [greek]] of Object.entries(TEXTS)) {
    assert.ok(/[α-ωά-ώ]/i.test(greek) || allowed.has(key), `${key}: ${greek}`);
  }
});

test('every key written in a script exists', () => {
  let found = 0;
  for (const name of scripts) {
    const source = readFileSync(new URL(name, STATIC), 'utf8');
    for (const [, key] of source.matchAll(
      /['`]((?:lobby|device|failure|join|role|room|tile|toolbar|panel|action|confirm|shortcuts|notice|link|ended)\.[a-z_.]+)['`]/g,
    )) {
      if (key.endsWith('.js') || key.endsWith('_')) continue;
      found += 1;
      assert.ok(key in TEXTS, `${name}: ${key}`);
    }
  }
  assert.ok(found > 80, `only ${found} keys found: the search is broken`);
});

test('every key that is put together exists', () => {
  const kinds = ['camera', 'microphone'];
  const failures = [
    'not_allowed',
    'not_found',
    'in_use',
    'overconstrained',
    'insecure',
    'unsupported',
    'unknown',
  ];
  const roles = [
    'chair',
    'secretary',
    'coordinator',
    'member',
    'guest',
    'citizen',
    'employee',
    'interpreter',
  ];
  const keys = [
    ...kinds.flatMap((kind) => failures.map((failure) => `failure.${kind}.${failure}`)),
    ...failures.map((failure) => `remedy.${failure}`),
    ...roles.map((role) => `role.${role}`),
    ...[0, 1, 2, 3, 4, 5, 'unknown'].map((score) => `quality.${score}`),
    ...['microphone', 'camera', 'screen'].flatMap((source) => [
      `notice.${source}_allowed`,
      `notice.${source}_forbidden`,
      `notice.${source}_failed`,
      `action.allow_${source}`,
      `action.forbid_${source}`,
      `toolbar.${source}`,
    ]),
    ...['left', 'kicked', 'room_closed', 'replaced', 'resume_failed', 'unsupported_protocol'].map(
      (code) => `ended.${code}`,
    ),
    ...['replaced', 'resume_failed', 'unsupported_protocol'].map((code) => `ended.${code}_text`),
  ];
  for (const key of keys) assert.ok(key in TEXTS, key);
});

test('values are put in, and what is missing stays visible', () => {
  const translate = translator('el');

  assert.equal(translate('tile.you', { name: 'Άννα $& {x}' }), 'Άννα $& {x} (εσείς)');
  assert.equal(translate('tile.you'), '{name} (εσείς)');
});

test('kep rooms have their own words where a call is no meeting', () => {
  assert.equal(translator('en', 'kep')('ended.room_closed'), 'The call has ended');
  assert.equal(translator('en', 'council')('ended.room_closed'), 'The meeting has ended');
  assert.equal(translator('en', 'kep')('ended.left'), 'You have left');
});
