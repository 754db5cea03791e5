import type { LoggerService } from '@nestjs/common';
import type { Logger } from 'pino';

/** Lets Nest write its own lines to the service's log. */
export function nestLogger(log: Logger): LoggerService {
  const write = (level: 'info' | 'error' | 'warn' | 'debug' | 'trace') => (message: unknown, ...more: unknown[]) => {
    const context = more.at(-1);
    const facts = { ...(typeof context === 'string' ? { context } : {}), ...(message instanceof Error ? { err: message } : {}) };
    log[level](facts, message instanceof Error ? message.message : String(message));
  };
  // Nest announces every route and module at "log": useful when looking for something, noise otherwise.
  return { log: write('debug'), error: write('error'), warn: write('warn'), debug: write('trace'), verbose: write('trace') };
}
