/** What the baseline says about a token's newest uses. */
export interface Features {
  /** Seconds since 1970. */
  now: number;
  firstUsedAt: number;
  /** Calls since the first use. */
  calls: number;
  /** Calls of these uses with the living secret. */
  liveCalls: number;
  /** Calls in the busiest minute that these uses are part of. */
  rate: number;
  mean: number;
  variance: number;
  /** Active minutes behind mean and variance, at most 99. */
  minutesSeen: number;
  /** High-water marks: calls in the busiest minute and hour so far, halved every 45 days. */
  highMinute: number;
  hourCalls: number;
  meanHour: number;
  highHour: number;
  /**
   * Of the newest network among these uses: its hash, its age in seconds (-1: none), by how many seconds another one
   * was there before it (-1: none), its VALID calls.
   */
  network: string;
  networkAge: number;
  networkLead: number;
  networkCalls: number;
  /** Networks known for longer than an hour, and whether one of them is a neighbour of the new one. */
  networksKnown: number;
  neighbourKnown: boolean;
  /** New networks of late, halved every 10 days. */
  networkChurn: number;
  /** Of the newest agent: where the network is new, among those that came from there. */
  agent: string;
  agentAge: number;
  agentsKnown: number;
  agentChurn: number;
  /** Uses refused for their scopes, halved every 6 hours; distinct ones new within 6 hours; the mark of earlier hours. */
  denied: number;
  deniedNew: number;
  highDenied: number;
  /** Seconds since it awoke (-1: never slept), and days it had slept. */
  awakeFor: number;
  sleptDays: number;
  /** Uses of a dead secret, and those of them from networks that are known. */
  deadCalls: number;
  deadKnownCalls: number;
  /** Seconds since 1970 until which its owner vouches for it. */
  quietUntil: number;
  /** Seconds since 1970 until which it is still being learnt anew, after baselines were lost. */
  learningUntil: number;
}

/** Reads one answer of the baseline script. */
export function featuresOf(answer: readonly (string | number)[]): Features {
  const [
    now, firstUsedAt, calls, liveCalls, rate, mean, variance, minutesSeen, highMinute, hourCalls, meanHour, highHour,
    network, networkAge, networkLead, networkCalls, networksKnown, near, networkChurn, agent, agentAge, agentsKnown, agentChurn,
    denied, deniedNew, highDenied, awakeFor, sleptDays, deadCalls, deadKnownCalls, quietUntil, learningUntil,
  ] = answer;
  const n = Number;
  return {
    now: n(now), firstUsedAt: n(firstUsedAt), calls: n(calls), liveCalls: n(liveCalls), rate: n(rate), mean: n(mean), variance: n(variance), minutesSeen: n(minutesSeen),
    highMinute: n(highMinute), hourCalls: n(hourCalls), meanHour: n(meanHour), highHour: n(highHour), network: String(network), networkAge: n(networkAge), networkLead: n(networkLead),
    networkCalls: n(networkCalls), networksKnown: n(networksKnown), neighbourKnown: n(near) === 1, networkChurn: n(networkChurn), agent: String(agent), agentAge: n(agentAge),
    agentsKnown: n(agentsKnown), agentChurn: n(agentChurn), denied: n(denied), deniedNew: n(deniedNew), highDenied: n(highDenied), awakeFor: n(awakeFor),
    sleptDays: n(sleptDays), deadCalls: n(deadCalls), deadKnownCalls: n(deadKnownCalls), quietUntil: n(quietUntil), learningUntil: n(learningUntil),
  };
}
