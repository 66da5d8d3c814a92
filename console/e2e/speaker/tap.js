// Runs in the page before its own scripts. It listens at the output of every audio context
// (an AudioWorklet beside the destination: sample by sample, with the context's frame
// numbers), notes where the output stands on the page's clock, and what the worker tells.
// The page's own code knows nothing of it.
(() => {
  // Hands on what passes, in blocks of 4096 frames with the number of their first frame.
  const worklet = `
    class Tap extends AudioWorkletProcessor {
      constructor() {
        super();
        this.samples = new Float32Array(4096);
        this.n = 0;
        this.frame = 0;
      }
    
      process(inputs) {
        const input = inputs[0]?.[0];
        if (this.n === 0) this.frame = currentFrame;
        if (input) this.samples.set(input, this.n);
        else this.samples.fill(0, this.n, this.n + 128);
        this.n += 128;
        if (this.n === 4096) {
          this.port.postMessage({ frame: this.frame, samples: this.samples.slice() });
          this.n = 0;
        }
        return true;
      }
    }
    registerProcessor('tap', Tap);
  `;
  const tap = { rate: 0, blocks: [], stamps: [], syncs: [], chunks: [], lost: 0, events: [] };
  window.__tap = tap;

  const connect = AudioNode.prototype.connect;
  const tapped = new WeakMap();
  const listen = (context) => {
    let node = tapped.get(context);
    if (!node) {
      node = context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' }))).then(() => {
        const n = new AudioWorkletNode(context, 'tap', { numberOfInputs: 1, numberOfOutputs: 1, channelCount: 2, channelCountMode: 'explicit' });
        n.port.onmessage = (e) => tap.blocks.push(e.data);
        connect.call(n, context.destination); // it gives silence; without a way out it would not run
        tap.rate = context.sampleRate;
        setInterval(() => {
          const s = context.getOutputTimestamp();
          if (s.contextTime > 0) tap.stamps.push([s.contextTime, s.performanceTime]);
        }, 50);
        return n;
      });
      tapped.set(context, node);
    }
    return node;
  };
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) void listen(this.context).then((n) => connect.call(this, n));
    return connect.call(this, to, ...rest);
  };

  const Plain = window.Worker;
  window.Worker = class extends Plain {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', (e) => {
        const m = e.data;
        if (m.kind === 'sync') tap.syncs.push({ at: performance.now(), ...m.sync });
        else if (m.kind === 'chunk') tap.chunks.push({ timestamp: m.timestamp, frames: m.channels[0].length, head: [...m.channels[0].slice(0, 24)] });
        else if (m.kind !== 'beat' && m.kind !== 'save') tap.events.push(m.kind);
      });
    }
  };
})();
