/* The telephone's ear and mouth, on the audio thread: what the microphone gives becomes frames of 20 ms of mu-law at
   8 kHz, and frames that come are played. One node for both, so that both have one clock.

   To here:    {play: Uint8Array}  {mark: name}  {clear: true}  {muted: boolean}
   From here:  {frame: Uint8Array, level}  {mark: name}  {heard: level}
   A mark comes back when all that was to be played before it has been, and after a clear at once. */

const RATE = 8000;
const FRAME = 160;
const SILENCE = 0xff;
const HOLD_SAMPLES = 0.4 * RATE;   // silence is sent for so long from the agent's first sound, until the echo is learned
const AHEAD_SAMPLES = 0.06 * RATE; // gathered before anything is played, against the network's unevenness
const AUDIBLE = 0.004;

/* G.711: sign, three bits of segment, four of step, all inverted. */
const DECODED = new Float32Array(256);
for (let code = 0; code < 256; code += 1) {
  const bits = ~code & 0xff;
  const magnitude = ((((bits & 0x0f) << 3) + 0x84) << ((bits & 0x70) >> 4)) - 0x84;
  DECODED[code] = (bits & 0x80 ? -magnitude : magnitude) / 32768;
}

function encode(sample) {
  let value = Math.round(Math.max(-1, Math.min(1, sample)) * 32635);
  const sign = value < 0 ? 0x80 : 0;
  value = Math.min(Math.abs(value), 32635) + 0x84;
  let segment = 7;
  for (let bit = 0x4000; segment > 0 && !(value & bit); bit >>= 1) segment -= 1;
  return ~(sign | (segment << 4) | ((value >> (segment + 3)) & 0x0f)) & 0xff;
}

/* A short FIR low-pass, evaluated between samples: from one rate to another, piece by piece. Where the rates are the
   same there is none. */
class Resampler {
  constructor(from, to) {
    this.step = from / to;
    const scale = Math.min(1, to / from);
    this.cutoff = 0.92 * scale;
    this.reach = Math.ceil(10 / scale);
    this.kept = new Float32Array(2 * this.reach);
    this.at = this.reach; // where the next output lies, in samples of what is kept
  }

  weight(distance) {
    const x = Math.PI * distance * this.cutoff;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / this.reach);
    return (x === 0 ? 1 : Math.sin(x) / x) * window * this.cutoff;
  }

  run(input) {
    const all = new Float32Array(this.kept.length + input.length);
    all.set(this.kept);
    all.set(input, this.kept.length);
    const output = [];
    while (this.at + this.reach < all.length) {
      const middle = Math.floor(this.at);
      let sum = 0;
      for (let n = middle - this.reach + 1; n <= middle + this.reach; n += 1) {
        if (n >= 0 && n < all.length) sum += all[n] * this.weight(n - this.at);
      }
      output.push(sum);
      this.at += this.step;
    }
    const dropped = Math.max(0, Math.min(Math.floor(this.at) - this.reach, all.length));
    this.kept = all.slice(dropped);
    this.at -= dropped;
    return output;
  }
}

class Telephone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.same = sampleRate === RATE;
    this.down = this.same ? null : new Resampler(sampleRate, RATE);
    this.up = this.same ? null : new Resampler(RATE, sampleRate);
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
    this.power = 0;
    this.queue = [];      // Uint8Array of audio, or the name of a mark
    this.offset = 0;      // into the first of them
    this.waiting = 0;     // samples in the queue
    this.playing = false;
    this.gathered = 0;    // how long the first samples have waited
    this.hold = -1;       // samples for which silence is still sent; -1 before the agent's first sound
    this.muted = false;
    this.output = [];     // resampled, for the next block
    this.heard = 0;
    this.blocks = 0;
    this.port.onmessage = (event) => this.obey(event.data);
  }

  obey(order) {
    if (order.play) {
      this.queue.push(order.play);
      this.waiting += order.play.length;
    } else if (order.mark !== undefined) {
      this.queue.push(String(order.mark));
      if (this.waiting === 0) this.echo();
    } else if (order.clear) {
      const marks = this.queue.filter((each) => typeof each === "string");
      this.queue = [];
      this.output = [];
      this.offset = this.waiting = this.gathered = 0;
      this.playing = false;
      for (const mark of marks) this.port.postMessage({ mark });
    } else if (order.muted !== undefined) {
      this.muted = order.muted;
    }
  }

  echo() {
    while (this.queue.length && typeof this.queue[0] === "string") this.port.postMessage({ mark: this.queue.shift() });
  }

  /* The next samples at 8 kHz of what is to be heard. */
  take(count) {
    const samples = new Float32Array(count);
    if (!this.playing) {
      if (this.waiting === 0) return samples;
      this.gathered += count;
      if (this.waiting < AHEAD_SAMPLES && this.gathered < AHEAD_SAMPLES) return samples;
      this.playing = true;
    }
    let at = 0;
    while (at < count && this.queue.length) {
      const first = this.queue[0];
      if (typeof first === "string") {
        this.echo();
        continue;
      }
      const length = Math.min(count - at, first.length - this.offset);
      for (let n = 0; n < length; n += 1) samples[at + n] = DECODED[first[this.offset + n]];
      at += length;
      this.offset += length;
      this.waiting -= length;
      if (this.offset === first.length) {
        this.queue.shift();
        this.offset = 0;
      }
    }
    this.echo();
    if (this.waiting === 0) {
      this.playing = false;
      this.gathered = 0;
    }
    return samples;
  }

  play(output) {
    const samples = output[0];
    if (this.same) {
      samples.set(this.take(samples.length));
    } else {
      while (this.output.length < samples.length) this.output.push(...this.up.run(this.take(64)));
      samples.set(this.output.splice(0, samples.length));
    }
    let loudest = 0;
    for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
    if (this.hold < 0 && loudest > AUDIBLE) this.hold = HOLD_SAMPLES;
    this.heard = Math.max(this.heard * 0.8, loudest);
    for (let channel = 1; channel < output.length; channel += 1) output[channel].set(samples);
  }

  listen(input, length) {
    const given = input.length ? input[0] : new Float32Array(length);
    const samples = this.same ? given : this.down.run(given);
    for (const sample of samples) {
      const silent = this.muted || this.hold > 0;
      this.frame[this.filled] = silent ? SILENCE : encode(sample);
      if (!this.muted) this.power = Math.max(this.power, Math.abs(sample));
      if (this.hold > 0) this.hold -= 1;
      this.filled += 1;
      if (this.filled === FRAME) {
        this.port.postMessage({ frame: this.frame.slice(), level: this.power });
        this.filled = 0;
        this.power = 0;
      }
    }
  }

  process(inputs, outputs) {
    const output = outputs[0];
    this.play(output);
    this.listen(inputs[0] || [], output[0].length);
    this.blocks += 1;
    if (this.blocks % 8 === 0) this.port.postMessage({ heard: this.heard });
    return true;
  }
}

registerProcessor("telephone", Telephone);
