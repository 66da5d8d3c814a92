// Builds the console into the folder that the management service embeds. The output
// depends on the sources and on the pinned tools alone: names carry a hash of their
// content, and nothing holds a date or a path of this machine.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, '../services/management/internal/console/dist'));
// firstViewLimit is the promise of the first view, compressed (bytes).
const firstViewLimit = 200_000;

fs.rmSync(out, { recursive: true, force: true });
fs.mkdirSync(path.join(out, 'assets'), { recursive: true });

const result = await build({
  absWorkingDir: here,
  entryPoints: { main: 'src/main.tsx' },
  outdir: path.join(out, 'assets'),
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2020',
  minify: true,
  sourcemap: false,
  legalComments: 'none',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: { '.svg': 'file', '.png': 'file' },
  entryNames: '[name]-[hash]',
  chunkNames: 'c-[hash]',
  assetNames: '[name]-[hash]',
  metafile: true,
  logLevel: 'warning',
});

const outputs = result.metafile.outputs;
const relative = (name) => path.relative(out, path.resolve(here, name)).split(path.sep).join('/');
const entry = Object.keys(outputs).find((name) => outputs[name].entryPoint === 'src/main.tsx');
const css = outputs[entry].cssBundle;

// preloads are the chunks that the entry imports at once, so that a browser need not find
// them one after the other.
const preloads = new Set();
(function follow(name) {
  for (const i of outputs[name].imports) {
    if (i.kind === 'import-statement' && !preloads.has(i.path)) {
      preloads.add(i.path);
      follow(i.path);
    }
  }
})(entry);

for (const file of fs.readdirSync(path.join(here, 'static'))) {
  fs.copyFileSync(path.join(here, 'static', file), path.join(out, file));
}
const html = fs
  .readFileSync(path.join(here, 'index.html'), 'utf8')
  .replace('<!-- head -->', [
    `<link rel="stylesheet" href="/${relative(css)}">`,
    ...[...preloads].sort().map((p) => `<link rel="modulepreload" href="/${relative(p)}">`),
    `<script type="module" src="/${relative(entry)}"></script>`,
  ].join('\n    '));
fs.writeFileSync(path.join(out, 'index.html'), html);
fs.writeFileSync(path.join(out, 'licenses.txt'), licences());

const first = [entry, css, ...preloads].reduce((sum, name) => sum + gzipped(path.resolve(here, name)), gzipped(path.join(out, 'index.html')));
console.log(`console: first view ${(first / 1000).toFixed(1)} kB compressed, ${Object.keys(outputs).length} files, ${digest(out)}`);
if (first > firstViewLimit) {
  console.error(`the first view has ${first} bytes compressed, and may have ${firstViewLimit}: load something later (import())`);
  process.exit(1);
}

function gzipped(file) {
  return gzipSync(fs.readFileSync(file), { level: 9 }).length;
}

// licences lists what the bundle holds of others, with the text of each licence.
function licences() {
  const names = new Set();
  for (const input of Object.keys(result.metafile.inputs)) {
    const m = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (m) names.add(m[1]);
  }
  return [...names].sort().map((name) => {
    const dir = path.join(here, 'node_modules', name);
    const pkg = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'));
    const file = fs.readdirSync(dir).find((f) => /^licen[cs]e/i.test(f));
    const text = file ? fs.readFileSync(path.join(dir, file), 'utf8').trim() : '(no licence file; see its repository)';
    return `${name} ${pkg.version} (${pkg.license})\n\n${text}\n`;
  }).join('\n----\n\n');
}

function digest(dir) {
  const h = createHash('sha256');
  const walk = (d) => {
    for (const e of fs.readdirSync(d, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const p = path.join(d, e.name);
      if (e.isDirectory()) walk(p);
      else h.update(path.relative(dir, p)).update(fs.readFileSync(p));
    }
  };
  walk(dir);
  return h.digest('hex').slice(0, 12);
}
