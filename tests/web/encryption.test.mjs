// What the page does with encryption: never open without agreement, and honest about it. The worker is
// a stand-in that keeps what it is told; key agreements are real.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Encryption } from '../../signaling/web/static/encryption.js';
import { unprotectableCodecs } from '../../signaling/web/static/e2ee/protection.js';
import { stateFromJoined } from '../../signaling/web/static/room_state.js';
import { joined, participant } from './builders.mjs';

class KeptWorker extends EventTarget {
  constructor() {
    super();
    this.told = [];
  }
  postMessage(message) {
    this.told.push(message);
  }
  terminate() {
    this.isTerminated = true;
  }
}
let workers = [];
let made = [];
beforeEach(() => {
  workers = [];
  globalThis.Worker = class extends KeptWorker {
    constructor(...given) {
      super();
      this.given = given;
      workers.push(this);
    }
  };
});
afterEach(() => {
  made.forEach((each) => each.close());
  made = [];
  delete globalThis.Worker;
});

const encrypting = (id) => participant(id, { encryption: 'on' });
const roomOf = (self, ...others) =>
  stateFromJoined(joined({ participant: self, room_class: 'kep', participants: [encrypting(self), ...others] }));

function page(self, deliver, mayBePlain = true) {
  const encryption = new Encryption((to, payload) => deliver(self, to, payload), mayBePlain);
  const notices = [];
  encryption.addEventListener('notice', ({ detail }) => notices.push(detail.key));
  encryption.begin('kep', self);
  made.push(encryption);
  const worker = workers.at(-1);
  const told = (type) => worker.told.filter((message) => message.type === type);
  return { encryption, notices, worker, told };
}

async function until(condition, what) {
  for (let turn = 0; turn < 200; turn += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(what);
}

function twoPages() {
  const pages = {};
  const deliver = (from, to, payload) => pages[to]?.encryption.handleKeys(from, payload);
  pages.anna = page('anna', deliver);
  pages.vasilis = page('vasilis', deliver);
  return pages;
}

async function inCall() {
  const { anna, vasilis } = twoPages();
  anna.encryption.update(roomOf('anna', encrypting('vasilis')), null);
  vasilis.encryption.update(roomOf('vasilis', encrypting('anna')), null);
  assert.equal(anna.encryption.state, 'waiting');
  await until(() => [anna, vasilis].every((each) => each.encryption.state === 'on'), 'on');
  return { anna, vasilis };
}

test('two pages get on, tell their workers the keys and show one code', async () => {
  const { anna, vasilis } = await inCall();
  await until(() => anna.told('seal_with').length > 0 && anna.told('open_with').length > 0, 'keys');
  assert.equal(anna.encryption.codes.get('vasilis'), vasilis.encryption.codes.get('anna'));
  assert.deepEqual(anna.notices, ['notice.encrypted']);
  assert.deepEqual(anna.told('plain'), []);
});

test('the worker is a file of ours', () => {
  page('anna', () => {});
  assert.match(String(workers[0].given[0]), /\/static\/e2ee\/transform_worker\.js$/);
  assert.deepEqual(workers[0].given[1], { type: 'module' });
});

test('alone, or before keys, it waits', () => {
  const { encryption, told } = page('anna', () => {});
  encryption.update(roomOf('anna'), null);
  assert.equal(encryption.state, 'waiting');
  assert.deepEqual(told('seal_with'), []);
});

test('a browser that cannot encrypt is asked about, and only agreement opens', async () => {
  const { encryption, told } = page('anna', () => {});
  encryption.update(roomOf('anna', participant('vasilis')), null);
  assert.equal(encryption.state, 'ask');
  assert.deepEqual(told('plain'), []);
  encryption.agreeToPlain();
  assert.equal(encryption.state, 'plain');
  assert.deepEqual(told('plain').map(({ isPlain }) => isPlain), [true]);
  encryption.update(roomOf('anna', encrypting('maria')), null);
  assert.equal(encryption.state, 'waiting');
  assert.deepEqual(told('plain').map(({ isPlain }) => isPlain), [true, false]);
  encryption.update(roomOf('anna', participant('nikos')), null);
  assert.equal(encryption.state, 'ask', 'the next one is asked about again');
});

test('where encryption is required nothing is ever asked or opened, whatever the server says', () => {
  const { encryption, told } = page('anna', () => {}, false);
  encryption.update(roomOf('anna', participant('vasilis')), null);
  assert.equal(encryption.state, 'waiting');
  encryption.agreeToPlain();
  assert.equal(encryption.state, 'waiting');
  assert.deepEqual(told('plain'), []);
});

test('another code in the same call asks people to compare again', async () => {
  const { anna } = await inCall();
  const maria = page('maria', (from, to, payload) => anna.encryption.handleKeys(from, payload));
  anna.encryption.send = (to, payload) => maria.encryption.handleKeys('anna', payload);
  anna.encryption.begin('kep', 'anna');
  anna.encryption.update(roomOf('anna', encrypting('maria')), null);
  maria.encryption.update(roomOf('maria', encrypting('anna')), null);
  await until(() => anna.encryption.state === 'on', 'on with the newcomer');
  assert.deepEqual(anna.notices, ['notice.encrypted', 'notice.code_changed']);
});

test('swapped keys are told once and stay marked', async () => {
  const { anna, vasilis } = await inCall();
  const impostor = page('vasilis', (from, to, payload) => anna.encryption.handleKeys('vasilis', payload));
  impostor.encryption.update(roomOf('vasilis', encrypting('anna')), null);
  await until(() => anna.encryption.hasConflict, 'the conflict');
  assert.equal(anna.notices.filter((key) => key === 'notice.keys_conflict').length, 1);
  assert.equal(anna.encryption.codes.get('vasilis'), vasilis.encryption.codes.get('anna'));
});

test('a broken worker is told: the call ends rather than going on in silence', () => {
  for (const event of [new Event('error'), new MessageEvent('message', { data: { type: 'failed', reason: 'x' } })]) {
    const { encryption, worker } = page('anna', () => {});
    let failures = 0;
    encryption.addEventListener('failed', () => (failures += 1));
    worker.dispatchEvent(event);
    assert.equal(failures, 1);
  }
});

test('answers with other codecs are seen', () => {
  const good = 'a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=rtpmap:111 opus/48000/2\r\n';
  assert.deepEqual(unprotectableCodecs(good), []);
  assert.deepEqual(unprotectableCodecs(`${good}a=rtpmap:63 red/48000/2\r\na=rtpmap:102 H264/90000\r\n`), ['red', 'h264']);
});
