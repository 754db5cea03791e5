/** Uses that were alike. */
export interface UseKind {
  tokenId?: string;
  generation?: number;
  code: string;
  gateway: string;
  network?: string;
  agent?: string;
  scopes?: string[];
  denied?: string[];
}

export interface Use extends UseKind {
  count: number;
  /** Milliseconds since 1970. */
  firstAt: number;
  lastAt: number;
}

/** Counts uses, alike ones together. */
export class UsageBook {
  private uses = new Map<string, Use>();

  /** @returns how many kinds of use wait to be said */
  note(kind: UseKind, at: number): number {
    return this.add({ ...kind, count: 1, firstAt: at, lastAt: at });
  }

  take(): Use[] {
    const uses = [...this.uses.values()];
    this.uses = new Map();
    return uses;
  }

  /** What could not be said is said later. */
  giveBack(uses: readonly Use[]): void {
    const newer = this.take();
    for (const use of [...uses, ...newer]) this.add(use);
  }

  private add(use: Use): number {
    const { tokenId = '', generation = 0, code, gateway, network = '', agent = '', scopes, denied } = use;
    const key = `${tokenId}|${generation}|${code}|${gateway}|${network}|${agent}|${scopes ? scopes.join(' ') : ''}|${denied ? denied.join(' ') : ''}`;
    const known = this.uses.get(key);
    if (known) {
      known.count += use.count;
      known.lastAt = use.lastAt;
    } else this.uses.set(key, use);
    return this.uses.size;
  }
}

/** The family of a user agent: its first product, without the version that changes every week. */
export function agentFamily(agent: string | undefined): string | undefined {
  return agent === undefined ? undefined : (/^[A-Za-z][\w.-]{0,63}/.exec(agent)?.[0].toLowerCase() ?? 'other');
}
