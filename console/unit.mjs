// Runs the unit tests (test/*.test.ts, test/*.test.tsx): bundles each for Node and hands
// them to its own test runner. `node unit.mjs NAME…` runs those whose file name holds NAME.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const names = process.argv.slice(2);
const tests = fs.readdirSync(path.join(here, 'test'), { recursive: true })
  .map(String)
  .filter((f) => /\.test\.tsx?$/.test(f) && (names.length === 0 || names.some((n) => f.includes(n))))
  .sort();
if (tests.length === 0) {
  console.error(`no test matches ${names.join(' ') || 'test/*.test.ts'}`);
  process.exit(1);
}
const out = path.join(here, 'node_modules', '.unit');
fs.rmSync(out, { recursive: true, force: true });
await build({
  absWorkingDir: here,
  entryPoints: tests.map((t) => path.join('test', t)),
  outdir: out,
  outbase: 'test',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node18',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  sourcemap: 'inline',
  logLevel: 'warning',
  banner: { js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);" },
});
const files = tests.map((t) => path.join(out, t.replace(/\.tsx?$/, '.mjs')));
const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], {
  stdio: 'inherit', cwd: here, env: { ...process.env, CONSOLE_ROOT: here },
});
process.exit(run.status ?? 1);
