// A real Tutti server on the embedded default, and real players, each a process.
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { music } from './paths';
import { Process } from './process';

/** The first administrator of every test server. */
export const admin = { name: 'Ada', password: 'correct horse battery' };

/** One line of `tutti player --json`. */
export interface PlayerEvent {
  event: string;
  [key: string]: any;
}

/** A virtual device: `tutti player` with its own key. */
export class Player {
  private from = 0;
  constructor(readonly name: string, readonly process: Process, readonly identity: string) {}

  private parsed(): PlayerEvent[] {
    return this.process.out.filter((l) => l.startsWith('{')).map((l) => JSON.parse(l) as PlayerEvent);
  }

  /** All events so far. */
  events(): PlayerEvent[] {
    return this.parsed();
  }

  /** Waits for an event that was not returned by an earlier call of next. */
  async next(event: string, match: (e: PlayerEvent) => boolean = () => true): Promise<PlayerEvent> {
    return this.process.until(`event ${event}`, () => {
      const all = this.parsed();
      for (let i = this.from; i < all.length; i++) {
        if (all[i]!.event === event && match(all[i]!)) {
          this.from = i + 1;
          return all[i]!;
        }
      }
      return undefined;
    });
  }

  /** The client_id: the device's public key. */
  async id(): Promise<string> {
    return this.process.until('identity', () => this.parsed().find((e) => e.event === 'identity')?.client_id as string | undefined);
  }

  stop(): Promise<number | null> {
    return this.process.stop();
  }
}

export class Server {
  readonly players: Player[] = [];
  private constructor(readonly process: Process, readonly data: string, readonly url: string, readonly devices: string, readonly token: string) {}

  /** Starts a server in a data directory of its own and waits until it is ready. */
  static async start(o: { data?: string; args?: string[]; env?: Record<string, string> } = {}): Promise<Server> {
    const data = o.data ?? fs.mkdtempSync(path.join(os.tmpdir(), 'tutti-e2e-'));
    const p = new Process(['serve', '--data-dir', data, '--http', '127.0.0.1:0', '--sendspin', '127.0.0.1:0', '--mdns=false',
      '--music', music, '--name', 'Test House', '--log-format', 'json', ...(o.args ?? [])], o.env);
    try {
      const address = (label: string) => p.until(label, () => p.out.map((l) => new RegExp(`^\\s*${label}\\s+(\\S+)`).exec(l)?.[1]).find(Boolean));
      const url = await address('API');
      const devices = await address('devices');
      for (let i = 0; ; i++) {
        const ok = await fetch(url + '/readyz').then((r) => r.ok, () => false);
        if (ok) break;
        if (i > 300) throw new Error('the server does not become ready');
        await new Promise((r) => setTimeout(r, 200));
      }
      return new Server(p, data, url, devices, fs.readFileSync(path.join(data, 'admin-token'), 'utf8').trim());
    } catch (err) {
      await p.stop('SIGKILL');
      throw err;
    }
  }

  /** The one-time code of the first start. */
  setupCode(): string {
    return fs.readFileSync(path.join(this.data, 'setup-code'), 'utf8').trim();
  }

  /** Makes the first administrator, as the set-up page does. */
  async setUp(): Promise<void> {
    const code = this.setupCode();
    const post = (where: string, body: object) => fetch(this.url + where, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    let slow = false;
    for (const end = Date.now() + 60_000; ; ) {
      const r = await post('/api/v1/setup', { code, ...admin });
      if (r.ok) return;
      const said = `set-up: ${r.status} ${await r.text()}`;
      // A server that is too slow for its own limits says so, and may have made the person.
      slow ||= r.status === 503;
      if (!slow || Date.now() > end) throw new Error(said);
      if ((await post('/api/v1/session', admin)).ok) return;
      await new Promise((r) => setTimeout(r, 200));
    }
  }

  /** Asks the API with the admin token; throws unless it answers with success. */
  async api<T = any>(method: string, where: string, body?: unknown): Promise<T> {
    const r = await fetch(this.url + '/api/v1' + where, {
      method, headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await r.text();
    if (!r.ok) throw new Error(`${method} ${where}: ${r.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** Asks until the answer is as expected. */
  async eventually<T = any>(where: string, good: (v: T) => boolean, what = where): Promise<T> {
    let last: unknown;
    for (const end = Date.now() + 60_000; Date.now() < end; ) {
      try {
        const v = await this.api<T>('GET', where);
        if (good(v)) return v;
        last = v;
      } catch (err) {
        last = err;
      }
      await new Promise((r) => setTimeout(r, 100));
    }
    throw new Error(`never ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last).slice(0, 2000)}`);
  }

  /** Starts a player that dials the server. */
  player(name: string, args: string[] = [], identity = path.join(this.data, `player-${this.players.length}.json`)): Player {
    const p = new Player(name, new Process(['player', '--json', '--connect', this.devices, '--name', name, '--identity', identity, ...args]), identity);
    this.players.push(p);
    return p;
  }

  /** A player that is there and approved; its id. */
  async approved(name: string, args: string[] = []): Promise<{ player: Player; id: string }> {
    const player = this.player(name, args);
    const id = await player.id();
    await this.eventually(`/clients/${id}`, (c) => c.connected);
    await this.api('POST', `/clients/${id}/approve`, {});
    await this.eventually(`/clients/${id}`, (c) => c.active_roles.length > 0);
    return { player, id };
  }

  /** A zone of approved players. */
  async zone(name: string, ...ids: string[]): Promise<string> {
    const g = await this.api('POST', '/groups', { name, members: ids });
    return g.group_id;
  }

  async stop(keep = false): Promise<void> {
    await Promise.all(this.players.map((p) => p.stop()));
    await this.process.stop();
    if (!keep) fs.rmSync(this.data, { recursive: true, force: true });
  }
}
