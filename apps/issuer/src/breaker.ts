/** So many automatic stops in an hour are taken for good; more are taken for a detector that errs, or is made to. */
const perOwner = 5;
const perFleet = 50;

/** Names the breaker that is open, given the stops of the last hour. */
export function breakerOpen(ownerStops: number, fleetStops: number): 'owner-breaker' | 'fleet-breaker' | undefined {
  if (fleetStops >= perFleet) return 'fleet-breaker';
  return ownerStops >= perOwner ? 'owner-breaker' : undefined;
}
