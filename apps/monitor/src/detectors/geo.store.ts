import { readFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { Reader, type CityResponse } from 'mmdb-lib';
import { MonitorConfig } from '../config.js';
import type { Place } from './geo.js';

/** City, country and ASN files have some of these each. */
type Entry = CityResponse & { autonomous_system_number?: number };

/** Places of networks from the operator's MaxMind DB files; without one nothing is known of any. */
@Injectable()
export class Places {
  private readonly readers: Reader<CityResponse>[];

  /** @throws where a file cannot be read or is none */
  constructor({ geoipPaths }: MonitorConfig) {
    this.readers = geoipPaths.map((path) => new Reader<CityResponse>(readFileSync(path)));
  }

  get known(): boolean {
    return this.readers.length > 0;
  }

  /** @param network a prefix as verifiers report it; undefined where no file has it */
  of(network: string): Place | undefined {
    const address = network.split('/')[0] ?? '';
    const place: Place = {};
    for (const reader of this.readers) {
      const entry = entryOf(reader, address);
      if (!entry) continue;
      place.country ??= entry.country?.iso_code;
      place.continent ??= entry.continent?.code;
      place.latitude ??= entry.location?.latitude;
      place.longitude ??= entry.location?.longitude;
      place.asn ??= entry.autonomous_system_number;
    }
    return Object.values(place).some((value) => value !== undefined) ? place : undefined;
  }
}

/** A verifier's word may be no address, and an IPv6 one is not in a file for IPv4. */
function entryOf(reader: Reader<CityResponse>, address: string): Entry | undefined {
  try {
    return (reader.get(address) as Entry | null) ?? undefined;
  } catch {
    return undefined;
  }
}
