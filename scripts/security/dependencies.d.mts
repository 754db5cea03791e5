interface Entry { version?: string; resolved?: string; integrity?: string; hasInstallScript?: boolean; link?: boolean; inBundle?: boolean }
interface Facts {
  lock: { packages: Record<string, Entry> };
  manifest: { allowScripts?: Record<string, boolean> };
  manifestOf(path: string): { license?: unknown; licenses?: unknown } | undefined;
}

export function problemsOf(facts: Facts): string[];
export function scriptsRunBy(text: string, allowScripts?: Record<string, boolean>): string[];
export function isPermissive(expression: string | undefined): boolean;
export function checkDependencies(root: string): string[];
