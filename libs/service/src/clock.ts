import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { makeId, type IdPrefix, type IdTypes } from '@writ/contracts';

/** The machine's time and fresh ids, injected so that tests can set them. */
@Injectable()
export class Clock {
  now(): Date {
    return new Date();
  }

  newId<P extends IdPrefix>(prefix: P): IdTypes[P] {
    return makeId(prefix, this.now().getTime(), randomBytes(10));
  }
}
