/** The real servers that tests run on; the test set-up puts their addresses here. */
export interface BackingUrls {
  postgres: string;
  amqp: string;
  management: string;
  redis: string;
}

export function backingUrls(env: NodeJS.ProcessEnv = process.env): BackingUrls {
  const read = (name: string) => {
    const url = env[name];
    if (!url) throw new Error(`${name} is not set: run the tests through npm, which starts the servers they need.`);
    return url;
  };
  return {
    postgres: read('WRIT_TEST_POSTGRES_URL'), amqp: read('WRIT_TEST_AMQP_URL'),
    management: read('WRIT_TEST_AMQP_MANAGEMENT_URL'), redis: read('WRIT_TEST_REDIS_URL'),
  };
}

/** A name that no other test has. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
}
