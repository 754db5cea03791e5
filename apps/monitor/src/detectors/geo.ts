/** Where a network is, as far as the operator's files say. */
export interface Place {
  /** ISO 3166-1. */
  country?: string;
  /** Two letters, as MaxMind names continents. */
  continent?: string;
  latitude?: number;
  longitude?: number;
  asn?: number;
}

/** A network that a token is known from, and when it was last used from there, in seconds since 1970 and right within an hour. */
export interface Whereabouts {
  place: Place;
  lastAt: number;
}

/** What the places say about a new network. */
export interface GeoFacts {
  country: string;
  /** Countries of the networks that were known before. */
  known: readonly string[];
  /** Who runs the network, and whether a known one is run by the same. */
  operator?: { asn: number; known: boolean };
  /** Faster than anybody moves, from where it was last used. */
  travel?: { from: string; kilometres: number; minutes: number };
}

/** An airliner. */
const fastestKmh = 1_000;
/** Nearer than this, the places of networks are too coarse to say anything. */
const nearKilometres = 500;
/** From one continent to another where only countries are known. */
const acrossKilometres = 3_000;

/** Compares a new network's place with those that are known. Undefined where too little is known to say anything. */
export function geoFactsOf(here: Place | undefined, before: readonly Whereabouts[], nowSeconds: number): GeoFacts | undefined {
  const placed = before.filter(({ place }) => place.country !== undefined);
  if (here?.country === undefined || placed.length === 0) return undefined;
  const known = [...new Set(placed.map(({ place }) => place.country as string))];
  const trips = placed.map(({ place, lastAt }) => ({ from: place.country as string, kilometres: Math.round(distance(place, here)), minutes: Math.max(1, Math.round(Math.abs(nowSeconds - lastAt) / 60)) }))
    .filter(({ kilometres, minutes }) => kilometres > nearKilometres && kilometres / (minutes / 60) > fastestKmh);
  const [travel] = trips.sort((a, b) => a.minutes - b.minutes);
  // Whoever was just used in this very country too is in two places by nature: a fleet, or a proxy beside the direct way.
  const isHere = known.includes(here.country);
  const operator = here.asn === undefined ? {} : { operator: { asn: here.asn, known: before.some(({ place }) => place.asn === here.asn) } };
  return { country: here.country, known, ...operator, ...(travel && !isHere ? { travel } : {}) };
}

function distance(a: Place, b: Place): number {
  if (a.country === b.country) return 0;
  const located = [a.latitude, a.longitude, b.latitude, b.longitude];
  if (located.some((value) => value === undefined)) return a.continent === b.continent ? 0 : acrossKilometres;
  const [latA, lonA, latB, lonB] = located.map((degrees) => ((degrees as number) * Math.PI) / 180) as [number, number, number, number];
  const half = Math.sin((latB - latA) / 2) ** 2 + Math.cos(latA) * Math.cos(latB) * Math.sin((lonB - lonA) / 2) ** 2;
  return 2 * 6_371 * Math.asin(Math.min(1, Math.sqrt(half)));
}
