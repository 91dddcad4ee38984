// The key agreement between real exchanges, through a server that relays, loses, swaps or joins in.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { KeyExchange } from '../../signaling/web/static/e2ee/key_exchange.js';

const ROOM = 'kep-1';
let made = [];
afterEach(() => {
  made.forEach((each) => each.exchange.close());
  made = [];
});

/** One participant: its exchange and what it told. `send` may be replaced. */
function person(id, deliver) {
  const told = { sealing: [], opening: [], forgotten: [], conflicts: [], stops: 0 };
  const exchange = new KeyExchange({ room: ROOM, self: id, send: (to, payload) => deliver(id, to, payload) });
  exchange.addEventListener('seal_with', ({ detail }) => told.sealing.push(detail));
  exchange.addEventListener('open_with', ({ detail }) => told.opening.push(detail));
  exchange.addEventListener('forget', ({ detail }) => told.forgotten.push(detail.participant));
  exchange.addEventListener('conflict', ({ detail }) => told.conflicts.push(detail.participant));
  exchange.addEventListener('stop_sealing', () => (told.stops += 1));
  const made_ = { id, exchange, told };
  made.push(made_);
  return made_;
}

/** An honest relay; `tamper` may change or drop (null) what passes. */
function relay(tamper = (from, to, payload) => payload) {
  const people = new Map();
  const log = [];
  const deliver = (from, to, payload) => {
    const passed = tamper(from, to, payload);
    if (passed === null) return;
    log.push({ from, to, payload: passed });
    void people.get(to)?.exchange.handleMessage(from, passed);
  };
  const enter = (id) => {
    const one = person(id, deliver);
    people.set(id, one);
    return one;
  };
  const tellRoster = () => {
    const ids = [...people.keys()];
    for (const one of people.values()) void one.exchange.handleParticipants(ids.filter((id) => id !== one.id));
  };
  const leave = (id) => {
    people.delete(id);
    tellRoster();
  };
  return { people, log, enter, leave, tellRoster };
}

async function settle(people) {
  for (let turn = 0; turn < 30; turn += 1) {
    for (const one of people.values()) await one.exchange.settled;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');
/** The newest set of `sender` is the newest that `receiver` has of it. */
function understands(receiver, sender) {
  const newest = sender.told.sealing.at(-1);
  const known = receiver.told.opening.filter((each) => each.participant === sender.id);
  return newest !== undefined && known.some((each) => each.setId === newest.setId && hex(each.secret) === hex(newest.secret));
}

async function two(tamper) {
  const server = relay(tamper);
  const [anna, vasilis] = [server.enter('anna'), server.enter('vasilis')];
  server.tellRoster();
  await settle(server.people);
  return { server, anna, vasilis };
}

test('two people agree, read the same code of twelve digits and understand each other', async () => {
  const { anna, vasilis } = await two();
  const code = anna.exchange.codes.get('vasilis');
  assert.match(code, /^\d{3} \d{3} \d{3} \d{3}$/);
  assert.equal(vasilis.exchange.codes.get('anna'), code);
  assert.ok(understands(anna, vasilis) && understands(vasilis, anna));
  assert.notEqual(hex(anna.told.sealing[0].secret), hex(vasilis.told.sealing[0].secret));
});

test('every call has another code and other keys', async () => {
  const codes = new Set();
  for (let count = 0; count < 8; count += 1) codes.add((await two()).anna.exchange.codes.get('vasilis'));
  assert.equal(codes.size, 8);
});

test('the relay sees neither a secret nor a nonce before both have committed', async () => {
  const { server, anna } = await two();
  const secret = Buffer.from(anna.told.sealing[0].secret).toString('base64');
  assert.equal(server.log.some(({ payload }) => payload.includes(secret)), false);
  const kinds = server.log.map(({ from, payload }) => `${from} ${JSON.parse(payload).t}`);
  for (const [one, other] of [['anna', 'vasilis'], ['vasilis', 'anna']]) {
    assert.ok(kinds.indexOf(`${one} reveal`) > kinds.indexOf(`${other} hello`));
  }
});

test('messages fit into what the server relays', async () => {
  const { server } = await two();
  assert.ok(server.log.every(({ payload }) => payload.length <= 1024));
});

test('a newcomer gets new keys of everybody and none of those used before', async () => {
  const { server, anna, vasilis } = await two();
  const before = [...anna.told.sealing, ...vasilis.told.sealing].map(({ secret }) => hex(secret));
  const code = anna.exchange.codes.get('vasilis');
  const interpreter = server.enter('interpreter');
  server.tellRoster();
  await settle(server.people);
  const people = [anna, vasilis, interpreter];
  for (const one of people) for (const other of people) assert.ok(one === other || understands(one, other), `${one.id} ${other.id}`);
  const gotten = interpreter.told.opening.map(({ secret }) => hex(secret));
  assert.equal(gotten.some((secret) => before.includes(secret)), false);
  assert.equal(anna.exchange.codes.get('vasilis'), code);
});

test('who leaves gets nothing of the keys used afterwards', async () => {
  const { server, anna, vasilis } = await two();
  const interpreter = server.enter('interpreter');
  server.tellRoster();
  await settle(server.people);
  const count = anna.told.sealing.length;
  server.leave('interpreter');
  await settle(server.people);
  assert.equal(anna.told.sealing.length, count + 1);
  assert.ok(understands(anna, vasilis) && understands(vasilis, anna));
  const newest = hex(anna.told.sealing.at(-1).secret);
  assert.equal(interpreter.told.opening.some(({ secret }) => hex(secret) === newest), false);
  assert.deepEqual(anna.told.forgotten, ['interpreter']);
  server.leave('vasilis');
  await settle(server.people);
  assert.equal(anna.told.stops, 1, 'alone, nothing is sent');
});

test('who comes back under the same id is the same: same code, new keys, no alarm', async () => {
  const { server, anna, vasilis } = await two();
  const code = anna.exchange.codes.get('vasilis');
  // Only one end saw the other go, as when a media worker restarts.
  await anna.exchange.handleParticipants([]);
  await settle(server.people);
  assert.equal(anna.exchange.codes.size, 0);
  assert.equal(anna.told.stops, 1);
  await anna.exchange.handleParticipants(['vasilis']);
  await settle(server.people);
  assert.equal(anna.exchange.codes.get('vasilis'), code);
  assert.equal(anna.told.sealing.length, 2);
  assert.ok(understands(anna, vasilis) && understands(vasilis, anna));
  assert.deepEqual([...anna.told.conflicts, ...vasilis.told.conflicts], []);
});

test('a server that swaps the keys reads everything, and both codes differ', async () => {
  // The whole attack: to each end it plays the other one, with keys of its own.
  const fake = { anna: null, vasilis: null };
  const ends = { anna: null, vasilis: null };
  const other = { anna: 'vasilis', vasilis: 'anna' };
  for (const id of ['anna', 'vasilis']) {
    ends[id] = person(id, (from, to, payload) => void fake[from].exchange.handleMessage(from, payload));
    // Plays `other[id]` towards `id`.
    fake[id] = person(other[id], (from, to, payload) => void ends[to].exchange.handleMessage(from, payload));
  }
  for (const id of ['anna', 'vasilis']) {
    void ends[id].exchange.handleParticipants([other[id]]);
    void fake[id].exchange.handleParticipants([id]);
  }
  await settle(new Map(made.map((each, index) => [index, each])));
  const codes = ['anna', 'vasilis'].map((id) => ends[id].exchange.codes.get(other[id]));
  assert.ok(codes[0] && codes[1], 'the attack goes through');
  assert.ok(understands(fake.anna, ends.anna), 'the server has the key to what Anna sends');
  assert.notEqual(codes[0], codes[1]);
});

test('a key swapped on its way without the matching commitment agrees on nothing', async () => {
  const attacker = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits']);
  const point = Buffer.from(await crypto.subtle.exportKey('raw', attacker.publicKey)).toString('base64');
  const { anna, vasilis } = await two((from, to, payload) => {
    const message = JSON.parse(payload);
    return message.t === 'hello' && from === 'anna' ? JSON.stringify({ ...message, k: point }) : payload;
  });
  assert.equal(vasilis.exchange.codes.size, 0);
  assert.ok(vasilis.told.conflicts.includes('anna'));
  assert.deepEqual(vasilis.told.sealing, []);
  assert.equal(anna.told.opening.length, 0);
});

test('another key after the first changes nothing and is reported', async () => {
  const { server, anna, vasilis } = await two();
  const code = vasilis.exchange.codes.get('anna');
  const impostor = person('anna', (from, to, payload) => void vasilis.exchange.handleMessage('anna', payload));
  await impostor.exchange.handleParticipants(['vasilis']);
  await settle(server.people);
  assert.deepEqual(vasilis.told.conflicts, ['anna']);
  assert.equal(vasilis.exchange.codes.get('anna'), code);
  assert.ok(understands(vasilis, anna));
});

test('an own hello that comes back, points off the curve and rubbish agree on nothing', async () => {
  const rubbish = ['', '[]', 'null', '{', '{"t":1}', '{"t":"hello"}', '{"t":"reveal"}', '{"t":"secret"}', 'x'.repeat(2000)];
  const off = JSON.stringify({ t: 'hello', k: Buffer.alloc(65, 4).toString('base64'), c: Buffer.alloc(32).toString('base64'), r: false });
  for (const answer of [...rubbish, off, null]) {
    let answers = 20;
    const anna = person('anna', (from, to, payload) => {
      answers -= 1;
      if (answers > 0) void anna.exchange.handleMessage('vasilis', answer ?? payload);
    });
    await anna.exchange.handleParticipants(['vasilis']);
    await settle(new Map([['anna', anna]]));
    assert.equal(anna.exchange.codes.size, 0);
    assert.deepEqual(anna.told.sealing, []);
  }
});

test('a replayed or forged secret is not taken', async () => {
  const { server, anna, vasilis } = await two();
  const count = vasilis.told.opening.length;
  const secret = server.log.find(({ from, payload }) => from === 'anna' && JSON.parse(payload).t === 'secret').payload;
  await vasilis.exchange.handleMessage('anna', secret);
  const forged = { ...JSON.parse(secret), n: 99 };
  await vasilis.exchange.handleMessage('anna', JSON.stringify(forged));
  await anna.exchange.handleMessage('vasilis', secret);
  assert.equal(vasilis.told.opening.length, count);
  await anna.exchange.handleResumed();
  await vasilis.exchange.handleResumed();
  await settle(server.people);
  assert.ok(understands(vasilis, anna), 'the next honest one is');
});

test('who is not in the room is not heard', async () => {
  const { server, anna } = await two();
  const stranger = person('stranger', (from, to, payload) => void anna.exchange.handleMessage('stranger', payload));
  server.people.set('stranger', stranger); // reachable, but in nobody's roster
  await stranger.exchange.handleParticipants(['anna']);
  await settle(server.people);
  await stranger.exchange.handleResumed();
  await settle(server.people);
  assert.deepEqual([...anna.exchange.codes.keys()], ['vasilis']);
});

test('what was lost with a socket is asked for again', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  for (const lost of ['hello', 'reveal', 'secret']) {
    let isLossy = true;
    const { server, anna, vasilis } = await two((from, to, payload) =>
      isLossy && from === 'anna' && JSON.parse(payload).t === lost ? null : payload,
    );
    assert.equal(understands(vasilis, anna), false, lost);
    isLossy = false;
    for (let turn = 0; turn < 4; turn += 1) {
      context.mock.timers.tick(2000);
      await settle(server.people);
    }
    assert.ok(understands(vasilis, anna) && understands(anna, vasilis), lost);
    assert.equal(anna.exchange.codes.get('vasilis'), vasilis.exchange.codes.get('anna'));
    assert.deepEqual(vasilis.told.conflicts, []);
  }
});

test('who resumes asks at once for what it missed', async () => {
  let isLossy = true;
  const { server, anna, vasilis } = await two((from, to, payload) =>
    isLossy && to === 'vasilis' && JSON.parse(payload).t === 'secret' ? null : payload,
  );
  assert.equal(vasilis.told.opening.length, 0);
  isLossy = false;
  await vasilis.exchange.handleResumed();
  await settle(server.people);
  assert.ok(understands(vasilis, anna));
});

test('a participant who confirms nothing does not hold up the new keys for more than a second', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { server, anna } = await two((from, to, payload) =>
    from === 'vasilis' && JSON.parse(payload).t === 'ack' ? null : payload,
  );
  assert.deepEqual(anna.told.sealing, []);
  context.mock.timers.tick(1000);
  await settle(server.people);
  assert.equal(anna.told.sealing.length, 1);
});
