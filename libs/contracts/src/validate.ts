import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { events, type EventData, type EventType } from './events.js';
import type { FieldProblem } from './parts.js';
import { quickCheck } from './quick-check.js';

export type Validated<T> = { value: T } | { problems: FieldProblem[] };
const maxProblems = 64;

/**
 * Checks a body that a stranger sent: every rule of its class, no field that the class does not name.
 * Names that would reach an object's prototype are unknown fields like others.
 */
export function validateBody<T extends object>(type: ClassConstructor<T>, body: unknown): Validated<T> {
  return validated(type, body, { whitelist: true, forbidNonWhitelisted: true });
}

/** Checks an event of another service. Fields it does not know pass: contracts grow. */
export function validateEvent<T extends EventType>(type: T, data: unknown): Validated<EventData<T>> {
  return validated(events[type] as unknown as ClassConstructor<EventData<T> & object>, data, {});
}

export function isEventType(name: string): name is EventType {
  return Object.hasOwn(events, name);
}

function validated<T extends object>(type: ClassConstructor<T>, body: unknown, options: object): Validated<T> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { problems: [{ pointer: '', message: 'This is not a JSON object.' }] };
  }
  const hidden = prototypeKeys(body, 0);
  if (hidden) return { problems: [hidden] };
  if (quickCheck(type, body, 'whitelist' in options)) return { value: body as T };
  const value = plainToInstance(type, body);
  const errors = validateSync(value, { forbidUnknownValues: true, stopAtFirstError: true, ...options });
  return errors.length === 0 ? { value } : { problems: errors.flatMap((e) => problemsOf(e, '')).slice(0, maxProblems) };
}

/**
 * `plainToInstance` drops these keys silently; a stranger who sends one is told. Depth is bounded against stack abuse.
 * Pointers are only put together on the way back from a find: most bodies have none.
 */
function prototypeKeys(value: object, depth: number): FieldProblem | undefined {
  if (depth > 32) return { pointer: '', message: 'The body is nested too deeply: 32 levels are the limit.' };
  for (const key of Object.keys(value)) {
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') return below(key, { pointer: '', message: 'This field is not known here.' });
    const child = (value as Record<string, unknown>)[key];
    const found = typeof child === 'object' && child !== null ? prototypeKeys(child, depth + 1) : undefined;
    if (found) return below(key, found);
  }
  return undefined;
}

function below(key: string, { pointer, message }: FieldProblem): FieldProblem {
  return { pointer: `/${pointerPart(key)}${pointer}`.slice(0, 512), message };
}

function problemsOf(error: ValidationError, pointer: string): FieldProblem[] {
  const here = `${pointer}/${pointerPart(error.property)}`;
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
    pointer: here.slice(0, 512),
    message: (rule === 'whitelistValidation' ? 'This field is not known here.' : message).slice(0, 512),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => problemsOf(child, here))];
}

/** RFC 6901, section 3; what is no text that can be kept (lone surrogates, NUL) is replaced, so that the answer is. */
function pointerPart(key: string): string {
  return key.toWellFormed().replaceAll('\u0000', '\ufffd').replaceAll('~', '~0').replaceAll('/', '~1').slice(0, 128);
}
