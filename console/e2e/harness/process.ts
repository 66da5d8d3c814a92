// A child process whose lines of output are kept and can be waited for.
import { spawn, type ChildProcess } from 'node:child_process';
import { binary } from './paths';

/** How long a process may take to say what is waited for (ms). */
const patience = 60_000;

export class Process {
  readonly out: string[] = [];
  readonly err: string[] = [];
  private waiters: (() => void)[] = [];
  private child: ChildProcess;
  private ended: Promise<number | null>;

  constructor(readonly args: string[], env: Record<string, string> = {}) {
    this.child = spawn(binary, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.lines(this.child.stdout!, this.out);
    this.lines(this.child.stderr!, this.err);
    this.ended = new Promise((resolve) => this.child.on('close', (code) => { resolve(code); this.wake(); }));
  }

  private lines(stream: NodeJS.ReadableStream, into: string[]): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop()!;
      into.push(...parts);
      this.wake();
    });
  }

  private wake(): void {
    for (const w of this.waiters.splice(0)) w();
  }

  /** Waits until find finds something in what the process has said so far. */
  async until<T>(what: string, find: () => T | undefined): Promise<T> {
    const end = Date.now() + patience;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || Date.now() > end) {
        throw new Error(`${this.args.slice(0, 2).join(' ')}: no ${what}; exit ${this.child.exitCode}\n${this.out.slice(-20).join('\n')}\n${this.err.slice(-20).join('\n')}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.waiters.push(() => { clearTimeout(timer); resolve(); });
      });
    }
  }

  /** Sends a line, such as a key of `tutti player`. */
  send(line: string): void {
    this.child.stdin!.write(line + '\n');
  }

  /** Ends the process and waits for it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 20_000);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }
}
