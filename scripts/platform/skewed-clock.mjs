/** Loaded before a process's own code, in tests: its wall clock is wrong by WRIT_TEST_CLOCK_SKEW_MS from its first line on. */
const skewMs = Number(process.env.WRIT_TEST_CLOCK_SKEW_MS);
const RealDate = Date;
const now = () => RealDate.now() + skewMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget === globalThis.Date ? target : newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, property) => (property === 'now' ? now : Reflect.get(target, property)),
});
