// Rules about users. The server has the same and decides; here they explain.
import type { Account } from './types';

/** Whether u is the only one left who can administer. */
export const lastAdmin = (all: Account[], u: Account): boolean =>
  u.role === 'admin' && !u.disabled && all.filter((x) => x.role === 'admin' && !x.disabled).length === 1;

/** The shortest password (characters), as the server has it. */
export const leastPassword = 10;

/** What is wrong with a password that was typed twice; undefined when nothing is. */
export function passwordProblem(first: string, second: string, needed: boolean): 'short' | 'differ' | undefined {
  if (!first && !second && !needed) return undefined;
  if ([...first].length < leastPassword) return 'short';
  return first === second ? undefined : 'differ';
}
