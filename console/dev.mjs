// A development server: builds into a folder of its own on every request of the page, and
// passes /api and /sendspin on to a running Tutti with its admin token, so that pages can
// be worked on without signing in.
//
//   tutti serve --demo &
//   node dev.mjs --server http://127.0.0.1:8080 --token-file ~/.local/share/tutti-demo/admin-token --port 5173
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as http from 'node:http';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = path.dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    server: { type: 'string', default: 'http://127.0.0.1:8080' },
    'token-file': { type: 'string', default: path.join(os.homedir(), '.local/share/tutti-demo/admin-token') },
    port: { type: 'string', default: '5173' },
    role: { type: 'string', default: 'admin' },
  },
});
const server = new URL(values.server);
const token = fs.readFileSync(values['token-file'], 'utf8').trim();
const dist = fs.mkdtempSync(path.join(os.tmpdir(), 'tutti-console-'));
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.txt': 'text/plain', '.webmanifest': 'application/manifest+json' };
const me = {
  signed_in: true, setup_needed: false, csrf_token: 'dev',
  user: { user_id: 'dev', name: 'Developer', role: values.role, zones: [] },
};

function pass(req, res) {
  const up = http.request({
    host: server.hostname, port: server.port, method: req.method, path: req.url,
    headers: { ...req.headers, host: server.host, authorization: `Bearer ${token}` },
  }, (answer) => {
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  });
  up.on('error', (err) => { res.writeHead(502); res.end(String(err)); });
  res.on('close', () => up.destroy());
  req.pipe(up);
}

const listener = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://dev');
  if (url.pathname === '/api/v1/session') {
    res.writeHead(200, { 'content-type': 'application/json' });
    return res.end(JSON.stringify(me));
  }
  if (url.pathname.startsWith('/api/')) return pass(req, res);
  if (url.pathname === '/') {
    const run = spawnSync(process.execPath, ['build.mjs', dist], { cwd: here, encoding: 'utf8' });
    if (run.status !== 0) { res.writeHead(500, { 'content-type': 'text/plain' }); return res.end(run.stderr); }
  }
  const file = path.join(dist, path.normalize(url.pathname === '/' ? '/index.html' : url.pathname));
  if (!file.startsWith(dist) || !fs.existsSync(file)) { res.writeHead(404); return res.end(); }
  res.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream', 'cache-control': 'no-store' });
  fs.createReadStream(file).pipe(res);
});
// The browser as a speaker: the WebSocket goes to the server as from a page of its own.
listener.on('upgrade', (req, socket, head) => {
  const up = http.request({
    host: server.hostname, port: server.port, path: req.url,
    headers: { ...req.headers, host: server.host, origin: server.origin, authorization: `Bearer ${token}` },
  });
  up.on('upgrade', (answer, other, rest) => {
    const lines = Object.entries(answer.headers).map(([k, v]) => `${k}: ${v}`).join('\r\n');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n\r\n`);
    other.write(head);
    socket.write(rest);
    other.pipe(socket).pipe(other);
    for (const [a, b] of [[socket, other], [other, socket]]) a.on('error', () => b.destroy());
  });
  up.on('response', (answer) => socket.end(`HTTP/1.1 ${answer.statusCode} Refused\r\n\r\n`));
  up.on('error', () => socket.destroy());
  up.end();
});
listener.listen(Number(values.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${listener.address().port}`));
process.on('exit', () => fs.rmSync(dist, { recursive: true, force: true }));
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => process.exit(0));
