// The door's client against a socket in memory: tickets, places kept, restarts, ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Dismissed, DoorClient } from '../../signaling/web/static/door.js';
import { ProtocolError } from '../../signaling/web/static/protocol.js';

class FakeSocket extends EventTarget {
  /** @type {FakeSocket[]} */
  static opened = [];
  readyState = 0;
  sent = [];

  constructor(url) {
    super();
    this.url = url;
    FakeSocket.opened.push(this);
    queueMicrotask(() => {
      this.readyState = 1;
      this.dispatchEvent(new Event('open'));
    });
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  say(message) {
    this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(message) }));
  }

  close() {
    this.readyState = 3;
    queueMicrotask(() => this.dispatchEvent(new Event('close')));
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

function door({ tickets = [] } = {}) {
  FakeSocket.opened = [];
  let given = 0;
  const asked = [];
  const client = new DoorClient(
    'ws://test/door',
    async () => {
      given += 1;
      const answer = tickets[given - 1] ?? `ticket-${given}`;
      asked.push(answer);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    { WebSocket: FakeSocket, random: () => 0 },
  );
  const told = [];
  for (const name of ['waiting', 'lost', 'back']) client.addEventListener(name, () => told.push(name));
  return { client, asked, told, socket: () => FakeSocket.opened.at(-1) };
}

async function knocked() {
  const fixture = door();
  const entering = fixture.client.enter();
  entering.catch(() => {});
  await settle();
  const socket = fixture.socket();
  socket.say({ type: 'knocked', id: socket.sent[0].id, ticket: 'return-1', ping_interval_s: 25 });
  socket.say({ type: 'waiting', state: 'waiting', position: 1, opens_at: '2026-01-31T08:00:00Z' });
  return { ...fixture, entering };
}

test('an admission resolves with the token', async () => {
  const { socket, entering, told } = await knocked();
  assert.deepEqual(socket().sent[0], { type: 'knock', ticket: 'ticket-1', protocol: 1, id: 1 });
  socket().say({ type: 'admitted', room: 'r', token: 'the-token' });
  assert.equal(await entering, 'the-token');
  assert.deepEqual(told, ['waiting']);
});

test('a refusal rejects with what the moderator wrote', async () => {
  const { socket, entering } = await knocked();
  socket().say({ type: 'dismissed', outcome: 'refused', reason: 'Όχι', retry_after_s: 60 });
  await assert.rejects(entering, (error) => error instanceof Dismissed && error.reason === 'Όχι');
});

test('a lost socket comes back with the ticket of its place', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { socket, client, told, asked } = await knocked();
  client.reset();
  t.mock.timers.tick(1000);
  await settle();
  assert.equal(socket().sent[0].ticket, 'return-1');
  socket().say({ type: 'knocked', id: socket().sent[0].id, ticket: 'return-2', ping_interval_s: 25 });
  assert.deepEqual(told, ['waiting', 'lost', 'back']);
  assert.deepEqual(asked, ['ticket-1']);
  client.leave();
});

test('after a restart of the server it asks for another ticket and knocks by itself', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { socket, client, asked } = await knocked();
  socket().say({ type: 'going_away', retry_after_ms: 750 });
  socket().close();
  await settle();
  t.mock.timers.tick(1000);
  await settle();
  const { id } = socket().sent[0];
  socket().say({ type: 'error', id, code: 'bad_ticket', message: '', retry_after_s: null });
  t.mock.timers.tick(5000);
  await settle();
  assert.equal(socket().sent[0].ticket, 'ticket-2');
  assert.deepEqual(asked, ['ticket-1', 'ticket-2']);
  client.leave();
});

test('what does not pass is told at once', async () => {
  const { client } = door({ tickets: [new ProtocolError('not_found', '')] });
  await assert.rejects(client.enter(), (error) => error.code === 'not_found');
});

test('a knock that is not heard for a while is not repeated', async () => {
  const { client, socket } = door();
  const entering = client.enter();
  await settle();
  socket().say({ type: 'error', id: 1, code: 'knock_later', message: '', retry_after_s: 60 });
  await assert.rejects(entering, (error) => error.code === 'knock_later');
  assert.equal(FakeSocket.opened.length, 1);
});

test('the same person elsewhere ends the wait here', async () => {
  const { socket, entering } = await knocked();
  socket().say({ type: 'error', id: null, code: 'replaced', message: '' });
  socket().close();
  await assert.rejects(entering, (error) => error.code === 'replaced');
});

test('who leaves says so and hears no more', async () => {
  const { socket, client } = await knocked();
  const last = socket();
  client.leave();
  assert.equal(last.sent.at(-1).type, 'leave');
  assert.equal(FakeSocket.opened.length, 1);
});
