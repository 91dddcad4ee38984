// The WebSocket client against a scripted socket in virtual time.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Protocol, ProtocolError, resumeDelay } from '../../signaling/web/static/protocol.js';
import { joined } from './builders.mjs';

/** Sockets made so far, oldest first. */
let sockets = [];
let isReachable = true;
beforeEach(() => {
  sockets = [];
  isReachable = true;
});

class ScriptedSocket extends EventTarget {
  constructor() {
    super();
    this.readyState = 0;
    this.sent = [];
    sockets.push(this);
    queueMicrotask(() => {
      this.readyState = isReachable ? 1 : 3;
      this.dispatchEvent(new Event(isReachable ? 'open' : 'error'));
    });
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(new Event('close'));
  }
  receive(message) {
    this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(message) }));
  }
}

const settle = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};
const newest = () => sockets[sockets.length - 1];
const newProtocol = () => new Protocol('ws://test/ws', { WebSocket: ScriptedSocket, random: () => 0.5 });

/** A protocol that has joined, and the events it gave. */
async function joinedProtocol() {
  const protocol = newProtocol();
  const events = [];
  for (const name of ['notification', 'resumed', 'lost', 'ended']) {
    protocol.addEventListener(name, (event) => events.push([name, event.detail]));
  }
  const joining = protocol.join('token');
  await settle();
  newest().receive(joined());
  await joining;
  return { protocol, events, names: () => events.map(([name]) => name) };
}

test('join sends the token first and gives the reply', async () => {
  const { protocol } = await joinedProtocol();

  assert.deepEqual(newest().sent, [{ type: 'join', token: 'token', protocol: 1, encryption: 'off', id: 1 }]);
  assert.equal(protocol.isConnected, true);
  await protocol.leave().catch(() => {});
});

const busy = (id) => ({ type: 'error', id, code: 'room_unavailable', message: 'busy', retry_after_s: 2 });

test('a busy server is asked again when it says, on the same socket', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const protocol = newProtocol();
  const joining = protocol.join('token');
  await settle();
  newest().receive(busy(1));
  await settle();
  context.mock.timers.tick(2999);
  await settle();
  assert.equal(newest().sent.length, 1);
  context.mock.timers.tick(1);
  await settle();

  assert.deepEqual(newest().sent.map(({ type, token, id }) => [type, token, id]), [
    ['join', 'token', 1],
    ['join', 'token', 2],
  ]);
  assert.equal(sockets.length, 1);
  newest().receive({ ...joined(), id: 2 });
  assert.equal((await joining).type, 'joined');
});

test('a server that stays busy, or refuses for good, is not asked for ever', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const joining = newProtocol().join('token');
  joining.catch(() => {});
  for (const id of [1, 2, 3]) {
    await settle();
    newest().receive(busy(id));
    await settle();
    context.mock.timers.tick(3000);
  }
  await assert.rejects(joining, { code: 'room_unavailable' });
  assert.equal(newest().sent.length, 3);

  const refused = newProtocol().join('token');
  await settle();
  newest().receive({ type: 'error', id: 1, code: 'room_full', message: '', retry_after_s: 30 });
  await assert.rejects(refused, { code: 'room_full' });
});

test('replies find their requests in any order, and errors carry their code', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { protocol } = await joinedProtocol();

  const first = protocol.request({ type: 'hand', raised: true });
  const second = protocol.request({ type: 'chat', text: 'x' });
  newest().receive({ type: 'error', id: 3, code: 'rate_limited', message: '', retry_after_s: 2 });
  newest().receive({ type: 'done', id: 2 });

  assert.equal((await first).type, 'done');
  await assert.rejects(
    second,
    (error) => error instanceof ProtocolError && error.code === 'rate_limited' && error.retryAfterS === 2,
  );
});

test('a refused join is an error and no resume is tried', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const protocol = newProtocol();
  const joining = protocol.join('token');
  await settle();

  newest().receive({ type: 'error', id: 1, code: 'token_expired', message: '' });
  await assert.rejects(joining, { code: 'token_expired' });
  newest().close();
  context.mock.timers.tick(60_000);
  await settle();

  assert.equal(sockets.length, 1);
});

test('a lost socket is resumed with the secret, and the next time with the new one', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { protocol, names } = await joinedProtocol();

  newest().close();
  assert.equal(protocol.isConnected, false);
  context.mock.timers.tick(0);
  await settle();
  assert.equal(newest().sent[0].secret, 'secret-1');
  newest().receive(joined({ id: newest().sent[0].id, resumed: true, secret: 'secret-2' }));
  await settle();
  assert.equal(protocol.isConnected, true);

  newest().close();
  context.mock.timers.tick(0);
  await settle();

  assert.equal(newest().sent[0].secret, 'secret-2');
  assert.deepEqual(names(), ['lost', 'resumed', 'lost']);
});

test('requests in flight fail when the socket is lost', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { protocol } = await joinedProtocol();

  const request = protocol.request({ type: 'hand', raised: true });
  newest().close();

  await assert.rejects(request, { code: 'disconnected' });
  await assert.rejects(protocol.request({ type: 'ping' }), { code: 'disconnected' });
});

test('the waits between attempts grow to seven seconds', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 11].map((attempt) => resumeDelay(attempt, 0)),
    [0, 300, 1200, 2700, 4800, 7000, 7000, 7000],
  );
  assert.equal(resumeDelay(1, 0.5), 450);
});

test('an unreachable server is tried again until it answers', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { protocol, names } = await joinedProtocol();

  isReachable = false;
  newest().close();
  for (let attempt = 0; attempt < 4; attempt += 1) {
    context.mock.timers.tick(8000);
    await settle();
  }
  assert.equal(sockets.length, 5);
  isReachable = true;
  context.mock.timers.tick(8000);
  await settle();
  newest().receive(joined({ id: newest().sent[0].id, resumed: true }));
  await settle();

  assert.equal(protocol.isConnected, true);
  assert.equal(names().at(-1), 'resumed');
});

test('a server that is gone for good ends the call after a bounded number of attempts', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { events } = await joinedProtocol();

  isReachable = false;
  newest().close();
  for (let attempt = 0; attempt < 50; attempt += 1) {
    context.mock.timers.tick(8000);
    await settle();
  }

  assert.deepEqual(events.at(-1), ['ended', { code: 'resume_failed' }]);
  assert.equal(sockets.length, 13);
});

test('a refused resume ends the call unless the refusal passes', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  for (const [code, expected] of [
    ['resume_refused', 'ended'],
    ['replaced', 'ended'],
    ['room_unavailable', 'lost'],
    ['rate_limited', 'lost'],
  ]) {
    const { names } = await joinedProtocol();
    newest().close();
    context.mock.timers.tick(0);
    await settle();
    newest().receive({ type: 'error', id: newest().sent[0].id, code, message: '' });
    await settle();
    assert.equal(names().at(-1), expected, code);
  }
});

test('a server that goes away is left alone as long as it asked', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  await joinedProtocol();

  newest().receive({ type: 'going_away', retry_after_ms: 3000 });
  newest().close();
  context.mock.timers.tick(2999);
  await settle();
  assert.equal(sockets.length, 1);
  context.mock.timers.tick(1);
  await settle();

  assert.equal(sockets.length, 2);
});

test('removed, closed and replaced end the call without an attempt to resume', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  for (const [message, code] of [
    [{ type: 'kicked', reason: '' }, 'kicked'],
    [{ type: 'room_closed', reason: '' }, 'room_closed'],
    [{ type: 'error', id: null, code: 'replaced', message: '' }, 'replaced'],
  ]) {
    const { events } = await joinedProtocol();
    const before = sockets.length;
    newest().receive(message);
    context.mock.timers.tick(60_000);
    await settle();
    assert.deepEqual(events.at(-1), ['ended', { code }]);
    assert.equal(sockets.length, before);
  }
});

test('an idle notice of the server is followed by a resume', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { names } = await joinedProtocol();

  newest().receive({ type: 'error', id: null, code: 'idle', message: '' });
  newest().close();

  assert.deepEqual(names(), ['lost']);
});

test('a socket that swallows pings is thrown away', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { names } = await joinedProtocol();

  context.mock.timers.tick(25_000);
  await settle();
  assert.equal(newest().sent.at(-1).type, 'ping');
  context.mock.timers.tick(15_000);
  await settle();

  assert.deepEqual(names(), ['lost']);
});

test('a network that comes back shortens the wait', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { protocol } = await joinedProtocol();
  isReachable = false;
  newest().close();
  for (let attempt = 0; attempt < 5; attempt += 1) {
    context.mock.timers.tick(8000);
    await settle();
  }
  const before = sockets.length;

  isReachable = true;
  protocol.retryNow();
  await settle();

  assert.equal(sockets.length, before + 1);
  assert.equal(newest().sent[0].type, 'resume');
});

test('leaving is told once and nothing is resumed', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { protocol, names } = await joinedProtocol();

  const leaving = protocol.leave();
  newest().close();
  await leaving;
  context.mock.timers.tick(60_000);
  await settle();

  assert.equal(newest().sent.at(-1).type, 'leave');
  assert.deepEqual(names(), []);
  assert.equal(sockets.length, 1);
});
