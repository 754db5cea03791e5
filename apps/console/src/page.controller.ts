import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';

const folder = join(import.meta.dirname, '../page');
const types = { 'index.html': 'text/html', 'console.css': 'text/css', 'console.js': 'text/javascript', 'icon.svg': 'image/svg+xml' };

/** The page: four files as they lie in `page/`, the same for everybody. Notices link to single reviews, which it shows first. */
export function addPage(server: FastifyInstance): void {
  const add = (path: string, file: keyof typeof types) => {
    const bytes = readFileSync(join(folder, file));
    server.get(path, (_request, reply) => reply.type(`${types[file]}; charset=utf-8`).send(bytes));
  };
  add('/', 'index.html');
  add('/reviews/:requestId', 'index.html');
  add('/console.css', 'console.css');
  add('/console.js', 'console.js');
  add('/icon.svg', 'icon.svg');
}
