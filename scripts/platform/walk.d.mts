import type { Platform, Reporter } from './platform.mjs';

export function runWalk(platform: Pick<Platform, 'env'>, reporter: Reporter): Promise<void>;
