/** Events that leave in one round, at the most. */
export const roundSize = 500;
/** Rounds start this far apart at least, for the sake of more events in each. */
export const paceMs = 20;

/** A pause that can be cut short. Whoever cuts it short while nobody pauses leaves a note elsewhere. */
export class Pause {
  private wake?: () => void;

  for(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end(): void {
    this.wake?.();
  }
}
