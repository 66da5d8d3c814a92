// A weak link between the server and one device: what the server sends gets through at a
// limited rate, in order, as over a bad Wi-Fi.
import * as net from 'node:net';

/** What is let through at a time (ms). */
const tick = 20;

export class SlowLink {
  private constructor(private readonly listener: net.Server, readonly address: string, private readonly sockets: Set<net.Socket>) {}

  /** A way to `to` (ws://HOST:PORT/sendspin) that carries `rate` bytes a second towards who dials it. */
  static async to(to: string, rate: number): Promise<SlowLink> {
    const url = new URL(to);
    const target = { host: url.hostname, port: Number(url.port) };
    const sockets = new Set<net.Socket>();
    const listener = net.createServer((device) => {
      const server = net.connect(target);
      for (const s of [device, server]) {
        sockets.add(s);
        s.setNoDelay(true);
        s.on('error', () => { device.destroy(); server.destroy(); });
        s.on('close', () => { sockets.delete(s); device.destroy(); server.destroy(); });
      }
      device.pipe(server);
      let waiting = Buffer.alloc(0);
      server.on('data', (d: Buffer) => {
        waiting = Buffer.concat([waiting, d]);
        if (waiting.length > rate / 4) server.pause(); // a network holds little back
      });
      const timer = setInterval(() => {
        const part = waiting.subarray(0, Math.ceil((rate * tick) / 1000));
        waiting = waiting.subarray(part.length);
        if (part.length > 0) device.write(part);
        if (waiting.length <= rate / 4) server.resume();
      }, tick);
      device.on('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    url.port = String((listener.address() as net.AddressInfo).port);
    return new SlowLink(listener, url.href, sockets);
  }

  async close(): Promise<void> {
    for (const s of this.sockets) s.destroy();
    await new Promise<void>((resolve) => this.listener.close(() => resolve()));
  }
}
