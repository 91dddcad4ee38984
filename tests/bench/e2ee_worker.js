// Seals and opens frames one after the other, as a transform does; answers with µs for one frame.
import { Opener, Sealer } from '/static/e2ee/frame_cipher.js';

const WARM_UP = 200;
let setId = 0;

self.onmessage = async ({ data: { source, size, frames } }) => {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const [sealer, opener] = [new Sealer(), new Opener()];
  setId += 1;
  await sealer.use(setId, secret);
  await opener.install('p1', setId, secret, 0);
  const kind = source === 'microphone' ? 'audio' : 'video';
  const expected = kind === 'audio' ? 'anybody' : { participant: 'p1', source };
  const frame = crypto.getRandomValues(new Uint8Array(size));
  frame[0] |= 1;
  let startedAt = 0;
  for (let count = -WARM_UP; count < frames; count += 1) {
    if (count === 0) startedAt = performance.now();
    const sealed = await sealer.seal(source, frame);
    const opened = await opener.open(kind, expected, sealed.data, 0);
    if (opened.data?.length !== size) throw new Error(`not opened: ${opened.drop}`);
  }
  self.postMessage(((performance.now() - startedAt) * 1000) / frames);
};
