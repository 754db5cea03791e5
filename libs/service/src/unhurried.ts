import { setImmediate as othersTurn } from 'node:timers/promises';
import DataLoader from 'dataloader';

const sliceMs = 2;

/** Goes over the items a few milliseconds at a time: whoever waits for something else gets its turn in between. */
export async function* unhurried<Item>(items: Iterable<Item>): AsyncGenerator<Item, void, void> {
  let since = performance.now();
  for (const item of items) {
    if (performance.now() - since >= sliceMs) {
      await othersTurn();
      since = performance.now();
    }
    yield item;
  }
}

/**
 * Makes a function of costly work that many ask for at once: what comes in one turn of the event loop is begun
 * {@link unhurried}, in its order, and answered all together, so that what follows is gathered as if nothing had come between.
 */
export function inSlices<In, Out>(work: (item: In) => Out | Promise<Out>): (item: In) => Promise<Out> {
  const loader = new DataLoader<In, Out>(async (items) => {
    const begun: Promise<Out | Error>[] = [];
    for await (const item of unhurried(items)) begun.push(outcomeOf(work, item));
    return Promise.all(begun);
  }, { cache: false });
  return (item) => loader.load(item);
}

async function outcomeOf<In, Out>(work: (item: In) => Out | Promise<Out>, item: In): Promise<Out | Error> {
  try {
    return await work(item);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
