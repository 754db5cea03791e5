import type { FieldProblem } from '@writ/contracts';

/** Why a submission is not accepted, for its sender and for the audit log. */
export interface Refusal {
  refused: true;
  /** Stable; senders branch on it. */
  code: string;
  detail: string;
  problems: FieldProblem[];
}

export function refuse(code: string, detail: string, problems: FieldProblem[] = []): Refusal {
  return { refused: true, code, detail, problems };
}

export function isRefusal(value: object): value is Refusal {
  return 'refused' in value;
}
