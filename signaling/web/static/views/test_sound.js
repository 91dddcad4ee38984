// Two short tones through the chosen loudspeaker.

import { element } from './dom.js';
import { applySpeaker } from './sound.js';

const TONES_HZ = [523.25, 659.25];
const TONE_S = 0.25;
const VOLUME = 0.2;

/** @param {string} speaker Device id; empty is the system's choice. */
export async function playTestSound(speaker) {
  const context = new AudioContext();
  const destination = context.createMediaStreamDestination();
  const player = element('audio', {});
  player.srcObject = destination.stream;
  await applySpeaker(player, speaker);
  TONES_HZ.forEach((frequency, index) => {
    const oscillator = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: VOLUME });
    oscillator.connect(gain).connect(destination);
    oscillator.start(context.currentTime + index * TONE_S);
    oscillator.stop(context.currentTime + (index + 1) * TONE_S);
  });
  await player.play().catch(() => {});
  setTimeout(() => void context.close(), TONES_HZ.length * TONE_S * 1000 + 500);
}
