// Bundles the page and writes it as C++: node build.mjs WORK OUT.cpp. WORK has node_modules; nothing is written elsewhere.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [work, out] = process.argv.slice(2).map((name) => path.resolve(name));
const source = path.join(path.dirname(fileURLToPath(import.meta.url)), 'src');
const { buildSync } = createRequire(path.join(work, 'package.json'))('esbuild');

buildSync({
  entryPoints: { page: path.join(source, 'main.js') },
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2020',
  legalComments: 'eof',
  nodePaths: [path.join(work, 'node_modules')],
  outdir: path.join(work, 'page'),
  logLevel: 'warning',
});

const files = [
  ['/', 'text/html; charset=utf-8', path.join(source, 'index.html')],
  ['/page.js', 'text/javascript; charset=utf-8', path.join(work, 'page', 'page.js')],
  ['/page.css', 'text/css; charset=utf-8', path.join(work, 'page', 'page.css')],
  ['/icon.svg', 'image/svg+xml', path.join(source, 'icon.svg')],
];

const arrays = [];
const rows = files.map(([address, type, file], index) => {
  const bytes = readFileSync(file);
  const tag = createHash('sha256').update(bytes).digest('hex').slice(0, 32);
  const lines = [];
  for (let at = 0; at < bytes.length; at += 30) lines.push(`    ${[...bytes.subarray(at, at + 30)].join(',')},`);
  arrays.push(`constexpr unsigned char file_${index}[] = {\n${lines.join('\n')}\n};`);
  return `        PageFile{"${address}", "${type}", "\\"${tag}\\"", text(file_${index})},`;
});

writeFileSync(
  out,
  `// admin: the files of the page; made by web/build.mjs.
#include "admin/page_files.hpp"

namespace redoubt::admin {
namespace {

${arrays.join('\n')}

template <std::size_t Size>
std::string_view text(const unsigned char (&file)[Size]) {
    return {reinterpret_cast<const char*>(file), Size};
}

}  // namespace

std::span<const PageFile> page_files() {
    static const PageFile files[] = {
${rows.join('\n')}
    };
    return files;
}

}  // namespace redoubt::admin
`,
);
