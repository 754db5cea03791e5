import { applyDecorators, Catch, Controller, UseFilters, type RpcExceptionFilter } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';
import type { EventType } from '@writ/contracts';
import { submissionPattern } from './incoming.js';

/** Nest would log an exception and put another in its place; the inbox needs the very one to decide what follows. */
@Catch()
class Rethrow implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/** A class whose methods handle messages. */
export function MessageHandler(): ClassDecorator {
  return applyDecorators(Controller(), UseFilters(Rethrow));
}

/** Handles these events: `handle(message: Message<'…'>, tx: Tx<'…'>)`. */
export function On(...types: EventType[]): MethodDecorator {
  return handles(types);
}

/** Handles what upstreams submit: `handle(submitted: Submitted, tx: Tx<'request'>)`. */
export function OnSubmission(): MethodDecorator {
  return handles([submissionPattern]);
}

function handles(patterns: string[]): MethodDecorator {
  return (target, key, descriptor: PropertyDescriptor) => {
    Payload()(target, key, 0);
    Ctx()(target, key, 1);
    MessagePattern(patterns)(target, key, descriptor);
  };
}
